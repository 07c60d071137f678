//! The life of a deployment: started with missing or wrong settings, healthy, restarted, with a lost encryption key.

use anyhow::{Context as _, Result};
use black_box::{Host, Postern, Runtime, Settings, Start, api::Api, environment, mcp};
use serde_json::{Value, json};

use crate::{
    agent_by_hand::{Agent, Legacy, Modern},
    fixtures,
};

const INTEGRATIONS: &str = "/api/v1/integrations";

#[tokio::test]
async fn without_an_encryption_key_everything_answers_503_and_names_the_setting() -> Result<()> {
    for settings in [
        Settings::new()?.without("ENCRYPTION_KEY"),
        Settings::new()?.with("ENCRYPTION_KEY", ""),
        Settings::new()?.with("ENCRYPTION_KEY", "dG9vIHNob3J0"),
    ] {
        let postern = fixtures::postern_with(settings).await?;
        for (method, path) in [
            ("GET", "/health"),
            ("GET", INTEGRATIONS),
            ("POST", INTEGRATIONS),
            ("POST", "/mcp"),
            ("POST", "/integrations/x/mcp"),
        ] {
            for api in [postern.admin()?, postern.stranger()?] {
                let answer = api.call(method, path).await?;
                assert_eq!(answer.status, 503, "{method} {path}: {}", answer.text);
                assert!(answer.text.contains("ENCRYPTION_KEY"), "{method} {path}: {}", answer.text);
            }
        }
        postern.tick().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_setting_is_named() -> Result<()> {
    for (name, value) in [
        ("BOOTSTRAP_ADMIN_KEY", "admin"),
        ("UPSTREAM_TIMEOUT_MS", "soon"),
        ("ALLOW_LOOPBACK_UPSTREAMS", "yes"),
        ("ALLOWED_ORIGINS", "*"),
    ] {
        let postern = fixtures::postern_with(Settings::new()?.with(name, value)).await?;
        let answer = postern.stranger()?.get("/health").await?;
        assert_eq!(answer.status, 503, "{name}: {}", answer.text);
        assert!(answer.text.contains(name), "{name}: {}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn health_shows_status_version_and_schema_version_without_a_key() -> Result<()> {
    let postern = fixtures::postern().await?;
    let health = postern.stranger()?.get("/health").await?;
    let expected = json!({"status": "healthy", "version": env!("CARGO_PKG_VERSION"), "schema_version": environment::schema_version()?});
    assert_eq!(health.expect(200)?, expected);
    Ok(())
}

#[tokio::test]
async fn without_migrations_health_says_what_to_do() -> Result<()> {
    let key = black_box::key::encryption_key()?;
    let bindings = [("ENCRYPTION_KEY".to_owned(), key)].into();
    let runtime = Runtime::under_test()?;
    let host = Host::start(runtime, Start { bindings, without_migrations: true, ..Start::default() }).await?;
    let health = Api::to(host.url())?.get("/health").await?;
    match runtime {
        Runtime::Workerd => {
            assert_eq!(health.status, 503, "{}", health.text);
            assert!(health.text.contains("migrations"), "{}", health.text);
        }
        // On Spin, Postern applies the migrations itself.
        Runtime::Spin => assert_eq!(health.expect(200)?["schema_version"], environment::schema_version()?),
    }
    Ok(())
}

#[tokio::test]
async fn the_bootstrap_key_counts_beside_other_keys() -> Result<()> {
    let postern = fixtures::postern().await?;
    // Where Postern applies the migrations itself, the first request applies them.
    postern.stranger()?.get("/health").await?.expect(200)?;
    let other = black_box::key::ApiKey::generate()?;
    let sql =
        "INSERT INTO api_keys (id, name, hash, roles, created_at) VALUES (?1, 'first', ?2, '[\"admin\"]', 0)";
    postern.sql(sql, json!([other.id, other.hash()])).await?;
    assert_eq!(postern.admin()?.get(INTEGRATIONS).await?.status, 200);
    assert_eq!(postern.caller(&other.text)?.get(INTEGRATIONS).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn an_integration_can_be_listed_read_and_deleted() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let admin = postern.admin()?;
    let mut created = Vec::new();
    for n in 0..5 {
        created.push(postern.register(&format!("Listed {n}"), &stub.url("/modern?tools=1")).await?);
    }
    let mut seen = Vec::new();
    let mut path = format!("{INTEGRATIONS}?limit=2");
    loop {
        let page = admin.get(&path).await?.expect(200)?;
        let items = page["items"].as_array().context("no items")?;
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["id"].clone()));
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(cursor) => path = format!("{INTEGRATIONS}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    let mut ids: Vec<_> = created.iter().map(|integration| json!(integration.id)).collect();
    ids.sort_by_key(ToString::to_string);
    seen.sort_by_key(ToString::to_string);
    assert_eq!(seen, ids);
    let filtered = admin.get(&format!("{INTEGRATIONS}?name=Listed%203")).await?.expect(200)?;
    assert_eq!(filtered["items"].as_array().map(Vec::len), Some(1), "{filtered}");

    let gone = &created[2];
    assert_eq!(admin.delete(&format!("{INTEGRATIONS}/{}", gone.id)).await?.expect(204)?, Value::Null);
    assert_eq!(admin.get(&format!("{INTEGRATIONS}/{}", gone.id)).await?.status, 404);
    assert_eq!(admin.delete(&format!("{INTEGRATIONS}/{}", gone.id)).await?.status, 404);
    // An instance remembers the deleted integration for seconds at most.
    black_box::eventually("the deleted integration's tools are gone", async || {
        let tools = fixtures::modern_tools(&admin, "/mcp").await?;
        Ok((!tools.iter().any(|tool| tool.starts_with("listed-2__")) && tools.len() == 4).then_some(()))
    })
    .await?;
    // The name stays taken until a create confirms that the old integration is to be revived.
    let mut again = json!({"name": "Listed 2", "url": stub.url("/modern?tools=2"), "authMode": "none"});
    let refused = admin.post(INTEGRATIONS, &again).await?;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("confirmUnarchive"), "{}", refused.text);
    again["confirmUnarchive"] = json!(true);
    let revived = postern.register_with(again).await?;
    assert_eq!((&revived.id, &revived.slug), (&gone.id, &gone.slug));
    assert_eq!(fixtures::modern_tools(&admin, &revived.path()).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_everything() -> Result<()> {
    const TOKEN: &str = "kept-over-the-restart";
    let folder = tempfile::tempdir()?;
    let settings = Settings::new()?.persisted_in(folder.path());
    let stub = black_box::Upstream::stub(stub_upstream::Options {
        require_bearer: Some(TOKEN.into()),
        ..Default::default()
    })?;
    let runtime = Runtime::under_test()?;

    let first = Postern::start(runtime, settings.clone()).await?;
    let body =
        json!({"name": "Kept", "url": stub.url("/legacy"), "authMode": "server_token", "serverToken": TOKEN});
    let integration = first.register_with(body).await?;
    let key = first.insert_key("kept key", &["admin"], None).await?;
    let agent = Agent::open(Legacy, first.caller(&key)?, &integration.path()).await?;
    agent.call(json!(1), "echo", json!({"message": "before"})).await?.result(&json!(1))?;
    let row = first.audit("tool_name = 'kept__echo'", json!([]), 1).await?.remove(0);
    let session = agent.session;
    first.stop().await?;
    stub.forget_sessions();

    let second = Postern::start(runtime, settings).await?;
    assert_eq!(
        second.integration(&integration.id).await?.object,
        second.admin()?.get(&format!("{INTEGRATIONS}/{}", integration.id)).await?.json()?["integration"]
    );
    assert_eq!(second.integration(&integration.id).await?.object["name"], "Kept");
    assert_eq!(second.audit("tool_name = 'kept__echo'", json!([]), 1).await?.remove(0), row);
    // The agent continues its session: Postern stores no sessions, the id is the sealed session.
    let agent = Agent { session, ..Agent::open(Legacy, second.caller(&key)?, &integration.path()).await? };
    let reply = agent.call(json!(2), "echo", json!({"message": "after"})).await?;
    assert_eq!(mcp::text(reply.result(&json!(2))?), "Echo: after");
    let modern = Agent::open(Modern, second.admin()?, "/mcp").await?;
    let reply = modern.call(json!(3), "kept__echo", json!({"message": "after"})).await?;
    assert_eq!(mcp::text(reply.result(&json!(3))?), "Echo: after");
    Ok(())
}

/// With another `ENCRYPTION_KEY` the stored credentials cannot be opened: only the calls that need them fail.
#[tokio::test]
async fn a_lost_encryption_key_fails_the_calls_that_need_it_and_nothing_else() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = Settings::new()?.persisted_in(folder.path());
    let stub = fixtures::stub()?;
    let runtime = Runtime::under_test()?;
    let first = Postern::start(runtime, settings.clone()).await?;
    let body =
        json!({"name": "Sealed", "url": stub.url("/modern"), "authMode": "server_token", "serverToken": "t"});
    let sealed = first.register_with(body).await?;
    let open = first.register("Open", &stub.url("/modern")).await?;
    first.stop().await?;

    let second =
        Postern::start(runtime, settings.with("ENCRYPTION_KEY", black_box::key::encryption_key()?)).await?;
    let agent = Agent::open(Modern, second.admin()?, &open.path()).await?;
    agent.call(json!(1), "echo", json!({"message": "x"})).await?.result(&json!(1))?;
    stub.forget_requests();
    let agent = Agent::open(Modern, second.admin()?, &sealed.path()).await?;
    let reply = agent.call(json!(2), "echo", json!({"message": "x"})).await?;
    let response = reply.response(&json!(2))?;
    assert!(response.get("error").is_some() || response["result"]["isError"] == true, "{response}");
    assert!(fixtures::calls(&stub).is_empty(), "the upstream was called without its credential");
    Ok(())
}
