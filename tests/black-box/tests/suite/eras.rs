//! The four pairs of agent era and upstream era on the wire, and the rules of each era about answers.

use anyhow::{Context as _, Result};
use black_box::{
    Postern, Upstream,
    mcp::{self, LEGACY, MODERN},
};
use serde_json::{Value, json};
use stub_upstream::{Options, Recorded, Stub};
use tokio::sync::OnceCell;

use crate::{
    agent_by_hand::{Agent, Era, Legacy, Modern, PAIRS},
    fixtures,
};

pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

pub(crate) async fn postern() -> Result<&'static Postern> {
    static POSTERN: OnceCell<Postern> = OnceCell::const_new();
    POSTERN.get_or_try_init(fixtures::postern).await
}

/// Starts a stub behind Postern and an agent at the stub's own endpoint. The stub has recorded no requests yet.
async fn behind(name: &str, agent: Era, upstream: Era) -> Result<(Stub, Agent)> {
    let postern = postern().await?;
    let stub = fixtures::stub()?;
    let name = format!("{name} {agent:?} {upstream:?}");
    let integration = postern.register(&name, &stub.url(upstream.endpoint())).await?;
    stub.forget_requests();
    let agent = Agent::open(agent, postern.admin()?, &integration.path()).await?;
    Ok((stub, agent))
}

#[tokio::test]
async fn a_call_works_in_every_pair_of_eras_and_each_side_sees_its_own_era_only() -> Result<()> {
    let ids = [
        json!(7),
        json!("7"),
        json!("seven"),
        json!(""),
        json!(0),
        json!(-1),
        json!(9_007_199_254_740_991_i64),
    ];
    for (agent_era, upstream_era) in PAIRS {
        let (stub, agent) = behind("Pair", agent_era, upstream_era).await?;
        let aggregate = Agent::open(agent_era, agent.api.clone(), "/mcp").await?;
        let slug = agent.path.split('/').nth(2).context("no slug")?.to_owned();
        for (agent, tool) in [(agent, "echo".to_owned()), (aggregate, format!("{slug}__echo"))] {
            for id in &ids {
                stub.forget_requests();
                let pair = format!("{agent_era:?} to {upstream_era:?} at {} with id {id}", agent.path);
                let reply = agent.call(id.clone(), &tool, json!({"message": "hello"})).await?;
                let result = reply.result(id).with_context(|| pair.clone())?;
                assert_eq!(reply.messages.len(), 1, "{pair}");
                assert_eq!(result["content"], json!([{"type": "text", "text": "Echo: hello"}]), "{pair}");
                match agent_era {
                    Legacy => assert_legacy(result, &pair),
                    Modern => assert_modern(result, &reply.http, &pair),
                }
                let calls = fixtures::calls(&stub);
                assert_eq!(calls.len(), 1, "{pair}");
                assert_upstream_saw(&calls[0], upstream_era, postern().await?.admin_key(), &pair)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn assert_legacy(result: &Value, pair: &str) {
    for member in ["resultType", "ttlMs", "cacheScope"] {
        assert_eq!(result.get(member), None, "{pair}: {result}");
    }
    assert_eq!(result.pointer("/_meta").and_then(|meta| meta.get(SERVER_INFO)), None, "{pair}: {result}");
}

pub(crate) fn assert_modern(result: &Value, http: &black_box::api::Answer, pair: &str) {
    assert_eq!(result["resultType"], "complete", "{pair}: {result}");
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "postern", "{pair}: {result}");
    assert!(result["_meta"][SERVER_INFO]["version"].is_string(), "{pair}: {result}");
    assert!(!http.headers.contains_key("mcp-session-id"), "{pair}: {:?}", http.headers);
}

fn assert_upstream_saw(call: &Recorded, era: Era, key: &str, pair: &str) -> Result<()> {
    let body = call.json().context("no JSON")?;
    assert_eq!(call.method, "POST", "{pair}");
    assert_eq!(call.header("content-type"), Some("application/json"), "{pair}");
    let accept = call.header("accept").unwrap_or_default();
    assert!(accept.contains("application/json") && accept.contains("text/event-stream"), "{pair}: {accept}");
    assert_eq!(body["jsonrpc"], "2.0", "{pair}");
    assert!(body["id"].is_string() || body["id"].is_i64(), "{pair}: {body}");
    assert_eq!(body["params"]["name"], "echo", "{pair}: {body}");
    assert_eq!(body["params"]["arguments"], json!({"message": "hello"}), "{pair}");
    let meta = &body["params"]["_meta"];
    match era {
        Legacy => {
            assert_eq!(call.header("mcp-protocol-version"), Some(LEGACY), "{pair}");
            assert!(call.header("mcp-session-id").unwrap_or_default().starts_with("stub-session-"), "{pair}");
            assert_eq!(meta.get(PROTOCOL_VERSION), None, "{pair}: {body}");
            assert_eq!(meta.get(CLIENT_CAPABILITIES), None, "{pair}: {body}");
        }
        Modern => {
            assert_eq!(call.header("mcp-protocol-version"), Some(MODERN), "{pair}");
            assert_eq!(call.header("mcp-method"), Some("tools/call"), "{pair}");
            assert_eq!(call.header("mcp-name"), Some("echo"), "{pair}");
            assert_eq!(call.header("mcp-session-id"), None, "{pair}");
            assert_eq!(meta[PROTOCOL_VERSION], MODERN, "{pair}: {body}");
            assert!(meta[CLIENT_CAPABILITIES].is_object(), "{pair}: {body}");
        }
    }
    // The caller's own credential never reaches the upstream.
    let seen = format!("{:?} {}", call.headers, String::from_utf8_lossy(&call.body));
    assert!(!seen.contains(key), "{pair}: the key of the agent travelled upstream");
    assert_eq!(call.header("authorization"), None, "{pair}");
    assert_eq!(call.header("x-api-key"), None, "{pair}");
    Ok(())
}

#[tokio::test]
async fn arguments_travel_as_they_were_written() -> Result<()> {
    for (agent_era, upstream_era) in PAIRS {
        let (stub, agent) = behind("Verbatim", agent_era, upstream_era).await?;
        // A number that a double cannot hold, and members whose order a sorted map would change.
        let arguments = json!({"message": "a\u{1F511}\u{2028}\"", "z": 1, "a": [null, {}, 1.5], "n": 9_007_199_254_740_993_i64});
        let reply = agent.call(json!(1), "echo", arguments.clone()).await?;
        reply.result(&json!(1))?;
        let seen = fixtures::calls(&stub).pop().context("no call")?.json().context("no JSON")?;
        assert_eq!(seen["params"]["arguments"], arguments, "{agent_era:?} to {upstream_era:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_tool_that_fails_is_a_result_and_a_server_that_fails_is_an_error_in_every_pair() -> Result<()> {
    for (agent_era, upstream_era) in PAIRS {
        let (_stub, agent) = behind("Failing", agent_era, upstream_era).await?;
        let reply = agent.call(json!(1), "fail", json!({})).await?;
        let result = reply.result(&json!(1))?;
        assert_eq!(result["isError"], true, "{agent_era:?} to {upstream_era:?}");
        assert_eq!(mcp::text(result), "This tool always fails.");

        let reply = agent.call(json!("two"), "protocol_error", json!({})).await?;
        let error = reply.error(&json!("two"))?;
        assert_eq!(error["code"], -32603, "{agent_era:?} to {upstream_era:?}: {error}");
        assert_eq!(error["message"], "This tool breaks the server.");
        assert_eq!(reply.http.status, 200);
    }
    Ok(())
}

/// `x-mcp-header`: a modern upstream wants an argument mirrored in a header, whatever era the agent speaks.
#[tokio::test]
async fn mirrored_arguments_reach_a_modern_upstream_as_headers() -> Result<()> {
    for (region, header) in [("eu-west", "eu-west"), ("Zürich ", "=?base64?WsO8cmljaCA=?=")] {
        let (stub, legacy) = behind(&format!("Mirror {}", region.len()), Legacy, Modern).await?;
        let modern = Agent::open(Modern, legacy.api.clone(), &legacy.path).await?;
        let reply = legacy.call(json!(1), "mirrored", json!({"region": region})).await?;
        assert_eq!(mcp::text(reply.result(&json!(1))?), format!("Region: {region}"));

        let params = json!({"name": "mirrored", "arguments": {"region": region}});
        let request =
            modern.request(json!(2), "tools/call", params)?.with_header("mcp-param-region", header)?;
        let reply = request.send(&modern.api, &modern.path).await?;
        assert_eq!(mcp::text(reply.result(&json!(2))?), format!("Region: {region}"));
        for call in fixtures::calls(&stub) {
            assert_eq!(call.header("mcp-param-region"), Some(header));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_modern_agent_must_mirror_what_the_tool_wants_mirrored() -> Result<()> {
    let (stub, agent) = behind("Mirror check", Modern, Modern).await?;
    for header in ["", "us-east", "=?base64?!?="] {
        let params = json!({"name": "mirrored", "arguments": {"region": "eu-west"}});
        let request =
            agent.request(json!(3), "tools/call", params)?.with_header("mcp-param-region", header)?;
        let reply = request.send(&agent.api, &agent.path).await?;
        assert_eq!(reply.http.status, 400, "header {header:?}: {}", reply.http.text);
        assert_eq!(reply.error(&json!(3))?["code"], -32020, "header {header:?}");
    }
    assert!(fixtures::calls(&stub).is_empty(), "a refused call reached the upstream");
    Ok(())
}

#[tokio::test]
async fn definitions_are_listed_as_the_upstream_gave_them_over_all_its_pages() -> Result<()> {
    let postern = postern().await?;
    for upstream in [Legacy, Modern] {
        let stub = Upstream::stub(Options { extra_tools: 250, page_size: Some(60), ..Options::default() })?;
        let integration =
            postern.register(&format!("Paged {upstream:?}"), &stub.url(upstream.endpoint())).await?;
        let direct = definitions(
            &Agent::open(upstream, black_box::api::Api::to(&stub.url(""))?, upstream.endpoint()).await?,
        )
        .await?;
        assert_eq!(direct.len(), 257);
        for agent in [Legacy, Modern] {
            let agent = Agent::open(agent, postern.admin()?, &integration.path()).await?;
            assert_eq!(definitions(&agent).await?, direct);
        }
    }
    Ok(())
}

/// Every tool definition over all pages, by name.
async fn definitions(agent: &Agent) -> Result<std::collections::BTreeMap<String, Value>> {
    let mut definitions = std::collections::BTreeMap::new();
    let mut params = json!({});
    loop {
        let reply = agent.send(json!(1), "tools/list", params).await?;
        let page = reply.result(&json!(1))?;
        if agent.era == Modern {
            assert_eq!(page["resultType"], "complete");
            assert!(page["ttlMs"].is_u64(), "{page}");
            assert_eq!(page["cacheScope"], "private");
        } else {
            assert_legacy(page, "tools/list");
        }
        for tool in page["tools"].as_array().context("no tools")? {
            let name = tool["name"].as_str().context("no name")?.to_owned();
            assert!(definitions.insert(name, tool.clone()).is_none(), "listed twice: {tool}");
        }
        match page.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return Ok(definitions),
        }
    }
}
