//! Personas: a caller may call exactly the tools that the caller is shown, on every endpoint; any other call is
//! refused, never reaches the upstream, and leaves an audit row.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use black_box::{
    Integration, Postern, Settings,
    api::{Answer, Api},
    mcp::Request,
};
use serde_json::json;
use stub_upstream::Stub;
use tokio::sync::OnceCell;

use crate::{
    agent_by_hand::{Agent, Era, Legacy, Modern},
    fixtures,
};

/// The tools of both stubs.
const TOOLS: [&str; 7] =
    ["add", "echo", "fail", "gated_progress", "mirrored", "protocol_error", "slow_progress"];

struct World {
    postern: Postern,
    alpha: (Stub, Integration),
    beta: (Stub, Integration),
    keys: BTreeMap<&'static str, String>,
}

/// A caller: name, roles, and the tools that the caller may use of alpha and of beta; `None` where the caller does
/// not even have the endpoint.
type Row =
    (&'static str, &'static [&'static str], Option<&'static [&'static str]>, Option<&'static [&'static str]>);

const CALLERS: [Row; 11] = [
    ("administrator", &["admin"], Some(&TOOLS), Some(&TOOLS)),
    ("everything", &["everything"], Some(&TOOLS), Some(&TOOLS)),
    (
        "deny wins over allow",
        &["careful"],
        Some(&["add", "echo", "gated_progress", "mirrored", "protocol_error", "slow_progress"]),
        Some(&["echo", "gated_progress", "mirrored", "protocol_error", "slow_progress"]),
    ),
    ("one connection", &["alpha only"], Some(&TOOLS), None),
    ("all connections but one", &["not beta"], Some(&TOOLS), None),
    ("globs", &["globs"], Some(&["add", "echo", "mirrored"]), Some(&["echo"])),
    ("tools without connections", &["no connections"], None, None),
    ("connections without tools", &["no tools"], Some(&[]), Some(&[])),
    ("a role that selects nothing", &["stranger"], None, None),
    ("no roles", &[], None, None),
    ("two roles, the higher priority", &["everything", "careful and first"], Some(&["echo"]), Some(&[])),
];

fn personas() -> String {
    json!([
        {"name": "everything", "roles": ["everything"], "allow_tools": ["*"], "allow_connections": ["*"]},
        {"name": "careful", "roles": ["careful"], "allow_tools": ["*"], "deny_tools": ["*__fail", "beta__add"],
         "allow_connections": ["*"]},
        {"name": "alpha only", "roles": ["alpha only"], "allow_tools": ["*"], "allow_connections": ["alpha"]},
        {"name": "not beta", "roles": ["not beta"], "allow_tools": ["*"], "allow_connections": ["*"],
         "deny_connections": ["b*"]},
        {"name": "globs", "roles": ["globs"], "allow_tools": ["*__e?ho", "alpha__[am]*"], "allow_connections": ["*"]},
        {"name": "no connections", "roles": ["no connections"], "allow_tools": ["*"]},
        {"name": "no tools", "roles": ["no tools"], "allow_connections": ["*"]},
        {"name": "careful and first", "roles": ["careful and first"], "priority": 10, "allow_tools": ["alpha__echo"],
         "allow_connections": ["*"]},
    ])
    .to_string()
}

async fn world() -> Result<&'static World> {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_try_init(async || {
            let postern = fixtures::postern_with(Settings::new()?.with("PERSONAS", personas())).await?;
            let (alpha, beta) = (fixtures::stub()?, fixtures::stub()?);
            let alpha = (postern.register("Alpha", &alpha.url("/legacy")).await?, alpha);
            let beta = (postern.register("Beta", &beta.url("/modern")).await?, beta);
            let mut keys = BTreeMap::new();
            for (name, roles, ..) in CALLERS {
                keys.insert(name, postern.insert_key(name, roles, None).await?);
            }
            Ok(World { postern, alpha: (alpha.1, alpha.0), beta: (beta.1, beta.0), keys })
        })
        .await
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Arguments with which each tool of the stub answers at once.
fn arguments(tool: &str) -> serde_json::Value {
    match tool.rsplit("__").next().unwrap_or_default() {
        "add" => json!({"a": 1, "b": 2}),
        "gated_progress" => json!({"steps": 0, "gate": "none"}),
        "slow_progress" => json!({"steps": 0}),
        "mirrored" => json!({"region": "here"}),
        _ => json!({"message": "hi"}),
    }
}

/// Returns the names among `universe` whose calls reach an upstream.
async fn callable(world: &World, agent: &Agent, universe: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut callable = BTreeSet::new();
    let seen = || fixtures::calls(&world.alpha.0).len() + fixtures::calls(&world.beta.0).len();
    for tool in universe {
        let before = seen();
        let params = json!({"name": tool, "arguments": arguments(tool)});
        let mut request = agent.request(json!(1), "tools/call", params)?;
        if agent.era == Modern && tool.ends_with("mirrored") {
            request = request.with_header("mcp-param-region", "here")?;
        }
        let reply = request.send(&agent.api, &agent.path).await?;
        let response = reply.response(&json!(1)).with_context(|| format!("{tool}: {}", reply.http.text))?;
        match seen() - before {
            0 => assert_eq!(
                response["error"]["code"], -32602,
                "{tool}: a refusal looks like an unknown tool: {response}"
            ),
            1 => assert!(callable.insert(tool.clone())),
            more => panic!("{tool}: one call became {more}"),
        }
    }
    Ok(callable)
}

/// Checks that the endpoint of an integration that the caller may not use answers like the endpoint of no
/// integration.
async fn assert_no_endpoint(api: &Api, path: &str, what: &str) -> Result<()> {
    let nowhere = "/integrations/nowhere/mcp";
    for method in ["tools/list", "tools/call", "server/discover"] {
        let request =
            Request::modern(json!(1), method, json!({"name": "echo", "arguments": {"message": "x"}}))?;
        let (there, elsewhere) =
            (request.send(api, path).await?.http, request.send(api, nowhere).await?.http);
        assert_eq!((there.status, elsewhere.status), (404, 404), "{what}: {}", there.text);
        let message = |answer: &Answer| Ok::<_, anyhow::Error>(answer.json()?["error"]["message"].clone());
        assert_eq!(message(&there)?, message(&elsewhere)?, "{what}");
    }
    Ok(())
}

async fn list_is_callable(era: Era) -> Result<()> {
    // The stubs count calls, so the tests that use this function run one after the other.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let world = world().await?;
    let _alone = ALONE.lock().await;
    let all: BTreeSet<_> =
        ["alpha", "beta"].iter().flat_map(|slug| TOOLS.map(|tool| format!("{slug}__{tool}"))).collect();
    for (name, _, alpha, beta) in CALLERS {
        let api = world.postern.caller(&world.keys[name])?;
        let both = fixtures::prefixed("alpha", &set(alpha.unwrap_or_default()))
            .union(&fixtures::prefixed("beta", &set(beta.unwrap_or_default())))
            .cloned()
            .collect();
        let endpoints = [
            ("/mcp".to_owned(), Some(both), &all),
            (world.alpha.1.path(), alpha.map(set), &set(&TOOLS)),
            (format!("/integrations/{}/mcp", world.beta.1.id), beta.map(set), &set(&TOOLS)),
        ];
        for (path, expected, universe) in endpoints {
            let what = format!("{name} at {path} in the {era:?} era");
            let Some(expected) = expected else {
                assert_no_endpoint(&api, &path, &what).await?;
                continue;
            };
            let listed = match era {
                Legacy => fixtures::legacy_tools(&api, &path).await,
                Modern => fixtures::modern_tools(&api, &path).await,
            };
            let listed = listed.with_context(|| what.clone())?;
            assert_eq!(listed, expected, "{what}: listed");
            let agent = Agent::open(era, api.clone(), &path).await?;
            let callable = callable(world, &agent, universe).await.with_context(|| what.clone())?;
            assert_eq!(callable, listed, "{what}: callable");
        }
    }
    Ok(())
}

#[tokio::test]
async fn legacy_agents_may_call_exactly_what_they_are_shown() -> Result<()> {
    list_is_callable(Legacy).await
}

#[tokio::test]
async fn modern_agents_may_call_exactly_what_they_are_shown() -> Result<()> {
    list_is_callable(Modern).await
}

#[tokio::test]
async fn a_denial_leaves_an_audit_row_that_names_the_caller() -> Result<()> {
    let world = world().await?;
    let key = world.postern.insert_key("denied one", &["careful"], None).await?;
    let api = world.postern.caller(&key)?;
    for (path, tool) in [("/mcp", "beta__add"), ("/integrations/beta/mcp", "add")] {
        let agent = Agent::open(Modern, api.clone(), path).await?;
        let reply = agent.call(json!(1), tool, json!({"a": 1, "b": 2})).await?;
        assert_eq!(reply.error(&json!(1))?["code"], -32602);
    }
    let caller = "user_id = (SELECT 'key:' || id FROM api_keys WHERE name = 'denied one')";
    let rows = world.postern.audit(caller, json!([]), 2).await?;
    for row in rows {
        assert_eq!(row["authorized"], 0, "{row}");
        assert_eq!(row["success"], 0, "{row}");
        assert_eq!(row["persona"], "careful", "{row}");
        assert_eq!(row["user_email"], "denied one@apikey.local", "{row}");
        assert_eq!(row["tool_name"], "beta__add", "{row}");
        assert_eq!(row["connection"], "beta", "{row}");
        assert!(row["error_message"].is_string(), "{row}");
    }
    Ok(())
}

/// The caller cannot tell an unknown tool from a forbidden one.
#[tokio::test]
async fn a_denial_does_not_tell_whether_the_tool_exists() -> Result<()> {
    let world = world().await?;
    let api = world.postern.caller(&world.keys["deny wins over allow"])?;
    let agent = Agent::open(Modern, api, "/mcp").await?;
    let denied = agent.call(json!(1), "beta__add", json!({})).await?;
    let unknown = agent.call(json!(1), "beta__sub", json!({})).await?;
    let plain = |text: &str| text.replace("beta__add", "X").replace("beta__sub", "X");
    assert_eq!(plain(&denied.http.text), plain(&unknown.http.text));
    assert_eq!(denied.http.status, unknown.http.status);
    Ok(())
}

#[tokio::test]
async fn a_persona_that_cannot_be_read_makes_every_route_answer_503_and_is_named() -> Result<()> {
    let settings = Settings::new()?.with("PERSONAS", r#"[{"name":"dev","roles":["dev"],"deny_tool":["*"]}]"#);
    let postern = fixtures::postern_with(settings).await?;
    for path in ["/health", "/api/v1/integrations", "/mcp"] {
        let method = if path == "/mcp" { "POST" } else { "GET" };
        let answer = postern.admin()?.call(method, path).await?;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(
            answer.text.contains("PERSONAS") && answer.text.contains("deny_tool"),
            "{path}: {}",
            answer.text
        );
    }
    Ok(())
}

/// An instance remembers a key for seconds, and so accepts the key for seconds at most after its revocation.
#[tokio::test]
async fn a_revoked_key_stops_working_within_seconds() -> Result<()> {
    let world = world().await?;
    let key = world.postern.insert_key("soon revoked", &["admin"], None).await?;
    let api = world.postern.caller(&key)?;
    let list = async || Ok::<_, anyhow::Error>(api.get("/api/v1/integrations").await?.status);
    assert_eq!(list().await?, 200);
    let sql = "DELETE FROM api_keys WHERE name = 'soon revoked' RETURNING id";
    assert_eq!(world.postern.sql(sql, json!([])).await?.len(), 1);
    let revoked = async {
        while list().await? != 401 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    let limit = std::time::Duration::from_secs(7);
    tokio::time::timeout(limit, revoked).await.context("the key still works")??;
    Ok(())
}
