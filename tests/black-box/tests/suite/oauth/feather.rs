//! `POST /v1/integrations/connections/custom-mcp` and the routes of its connections, in the Feather dialect.

mod consent;

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration, Upstream,
    api::{Answer, Api},
};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

use super::{UNKNOWN, World, text, with};
use crate::dialects::keys;
use crate::{fixtures, registry};

const CONNECTIONS: &str = "/v1/integrations/connections";
const CUSTOM: &str = "/v1/integrations/connections/custom-mcp";
const DISCOVER: &str = "/v1/integrations/connections/custom-mcp/discover";

/// Checks a refusal `{error: {code, message}, request_id}` with this status. Returns the message.
fn refused(answer: &Answer, status: u16) -> Result<String> {
    let body = answer.expect(status)?;
    ensure!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    ensure!(keys(&body) == ["error", "request_id"] && keys(&body["error"]) == ["code", "message"], "{body}");
    ensure!(body["request_id"] == answer.header("x-request-id"), "{body}");
    ensure!(!text(&body["error"], "code")?.is_empty(), "{body}");
    Ok(text(&body["error"], "message")?.to_owned())
}

/// Makes a connection that needs no consent, and checks the whole answer. Returns the connection's id.
async fn connect_static(world: &World, body: Value) -> Result<String> {
    let answer = world.admin()?.post(CUSTOM, &body).await?;
    let created = answer.expect(201).with_context(|| body.to_string())?;
    let id = text(&created, "connection_id")?.to_owned();
    let expected = json!({
        "connection_id": id, "status": "active", "vendor": "custom_mcp", "authorize_url": null, "state": null,
    });
    ensure!(created == expected, "{created}");
    Ok(id)
}

async fn get(world: &World, id: &str) -> Result<Value> {
    world.admin()?.get(&format!("{CONNECTIONS}/{id}")).await?.expect(200)
}

/// Waits until a connection's tools are known. Returns its integration.
async fn synced(world: &World, id: &str) -> Result<Integration> {
    black_box::eventually("the connection's tools are known", async || {
        let connection = get(world, id).await?;
        Ok((connection["tools_status"] == "synced").then_some(()))
    })
    .await?;
    world.postern.integration(id).await
}

/// Calls `echo` as a user who did not make the connection. Returns the request that the stub recorded.
async fn headers(world: &World, stub: &Stub, id: &str) -> Result<stub_upstream::Recorded> {
    let integration = synced(world, id).await?;
    world.tools_known(&integration).await?;
    stub.forget_requests();
    registry::echo(&world.developer()?, &integration.slug, "hello").await?;
    fixtures::calls(stub).pop().context("no call arrived")
}

async fn lease(world: &World, id: &str) -> Result<Value> {
    world.admin()?.call("POST", &format!("{CONNECTIONS}/{id}/test-lease")).await?.expect(200)
}

#[tokio::test]
async fn static_credentials_reach_the_upstream() -> Result<()> {
    let (world, stub) = (World::shared().await?, fixtures::stub()?);
    let url = stub.url("/dual");
    let plain = json!({"nickname": "Feather none", "server_url": url});
    let id = connect_static(world, plain).await?;
    let seen = headers(world, &stub, &id).await?;
    assert_eq!(seen.header("authorization"), None);

    let bearer =
        json!({"nickname": "Feather bearer", "server_url": url, "auth_type": "bearer", "token": "b-token"});
    let seen = headers(world, &stub, &connect_static(world, bearer).await?).await?;
    assert_eq!(seen.header("authorization"), Some("Bearer b-token"));

    let api_key =
        json!({"nickname": "Feather key", "server_url": url, "auth_type": "api_key", "api_key": "k-1"});
    let seen = headers(world, &stub, &connect_static(world, api_key).await?).await?;
    assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (Some("k-1"), None));

    let named = json!({
        "nickname": "Feather named key", "server_url": url, "auth_type": "api_key", "api_key": "k-2",
        "api_key_header": "X-Customer-Key", "headers": {"X-Tenant": "acme", "X-Region": "eu"},
    });
    let seen = headers(world, &stub, &connect_static(world, named).await?).await?;
    assert_eq!((seen.header("x-customer-key"), seen.header("x-api-key")), (Some("k-2"), None));
    assert_eq!((seen.header("x-tenant"), seen.header("x-region")), (Some("acme"), Some("eu")));

    for auth in [json!({"auth_type": "none"}), json!({"auth_type": "bearer", "token": "b-token"})] {
        let nickname = format!("Feather headers {}", auth["auth_type"]);
        let body =
            with(json!({"nickname": nickname, "server_url": url, "headers": {"X-Tenant": "acme"}}), &auth);
        let seen = headers(world, &stub, &connect_static(world, body).await?).await?;
        assert_eq!(seen.header("x-tenant"), Some("acme"), "{auth}");
        let bearer = auth["token"].as_str().map(|token| format!("Bearer {token}"));
        assert_eq!(seen.header("authorization"), bearer.as_deref(), "{auth}");
    }
    Ok(())
}

#[tokio::test]
async fn every_transport_is_a_hint() -> Result<()> {
    let (world, stub) = (World::shared().await?, fixtures::stub()?);
    let sse = Upstream::everything_sse().await?;
    for transport in ["sse", "http", "streamable_http", "streamable-http", "auto"] {
        let body = json!({"nickname": format!("Feather {transport}"), "server_url": stub.url("/legacy"), "transport": transport});
        headers(world, &stub, &connect_static(world, body).await?).await?;
    }
    // HTTP+SSE, the transport of 2024-11-05, is found with the hint and without one.
    for (nickname, transport) in [("Feather old", json!("sse")), ("Feather old default", json!(null))] {
        let body = json!({"nickname": nickname, "server_url": sse.url(), "transport": transport});
        let id = connect_static(world, body).await?;
        let integration = synced(world, &id).await?;
        world.tools_known(&integration).await?;
        registry::echo(&world.developer()?, &integration.slug, nickname).await?;
        ensure!(lease(world, &id).await?["ok"] == true);
    }
    Ok(())
}

#[tokio::test]
async fn connections_are_listed_shown_tested_and_deleted() -> Result<()> {
    let (world, stub) = (World::shared().await?, fixtures::stub()?);
    let body = json!({"nickname": "Feather shown", "server_url": stub.url("/modern"), "auth_type": "bearer", "token": "secret-7b"});
    let id = connect_static(world, body).await?;
    let integration = synced(world, &id).await?;
    let shown = get(world, &id).await?;
    let members = [
        "connected_at",
        "created_at",
        "id",
        "integration_key",
        "last_refreshed_at",
        "last_used_at",
        "metadata",
        "nickname",
        "nickname_slug",
        "organization_id",
        "server_url",
        "status",
        "status_reason",
        "tools",
        "tools_status",
        "tools_synced_at",
        "updated_at",
        "vendor",
        "vendor_connection_id",
    ];
    assert_eq!(keys(&shown), members, "{shown}");
    for (name, value) in [
        ("id", json!(id)),
        ("integration_key", json!("custom_mcp")),
        ("nickname", json!("Feather shown")),
        ("nickname_slug", json!(integration.slug)),
        ("server_url", json!(stub.url("/modern"))),
        ("status", json!("active")),
        ("status_reason", Value::Null),
        ("vendor", json!("custom_mcp")),
    ] {
        assert_eq!(shown[name], value, "{name} of {shown}");
    }
    let tools = shown["tools"].as_array().context("no tools")?;
    let echo = tools.iter().find(|tool| tool["tool_path"] == "echo").context("no echo")?;
    assert_eq!(echo["slug"], format!("{}__echo", integration.slug));
    assert_eq!((&echo["is_enabled"], &echo["connection_id"]), (&json!(true), &json!(id)));

    let listed = world.admin()?.get(CONNECTIONS).await?.expect(200)?;
    let listed = listed.as_array().context("no array")?.iter().filter(|connection| connection["id"] == id);
    let listed: Vec<_> = listed.collect();
    assert_eq!(listed.len(), 1);
    for name in members.iter().filter(|name| **name != "tools") {
        assert_eq!(listed[0][name], shown[name], "{name}");
    }
    assert_eq!(lease(world, &id).await?, json!({"ok": true, "url": stub.url("/modern")}));
    stub.break_with(Some(503.try_into()?));
    let broken = lease(world, &id).await?;
    assert_eq!((&broken["ok"], keys(&broken)), (&json!(false), vec!["detail", "ok", "url"]), "{broken}");
    let shown = get(world, &id).await?;
    assert_eq!(shown["status"], "error", "{shown}");
    assert!(text(&shown, "status_reason")?.contains("503"), "{shown}");

    let one = format!("{CONNECTIONS}/{id}");
    let deleted = world.admin()?.delete(&one).await?;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    for (method, path) in
        [("GET", one.clone()), ("DELETE", one.clone()), ("POST", format!("{one}/test-lease"))]
    {
        refused(&world.admin()?.call(method, &path).await?, 404)
            .with_context(|| format!("{method} {path}"))?;
    }
    let sql = "SELECT count(*) AS n FROM credentials WHERE integration_id = ?1";
    assert_eq!(world.postern.sql(sql, json!([id])).await?[0]["n"], 0);
    let again = json!({"nickname": "Feather shown", "server_url": stub.url("/modern")});
    connect_static(world, again).await.context("the nickname is free again")?;
    Ok(())
}

#[tokio::test]
async fn bad_input_is_refused_and_not_kept() -> Result<()> {
    let (world, stub) = (World::shared().await?, Upstream::stub(Options::default())?);
    let url = stub.url("/modern");
    let with = |members: Value| with(json!({"nickname": "Feather bad", "server_url": url}), &members);
    let oauth = |field: &str, value: &str| with(json!({"auth_type": "oauth", field: value}));
    let bodies = [
        json!({}),
        json!([]),
        json!({"nickname": "Feather bad"}),
        json!({"server_url": url}),
        with(json!({"nickname": ""})),
        with(json!({"nickname": 1})),
        with(json!({"nickname": "x".repeat(300)})),
        with(json!({"server_url": ""})),
        with(json!({"server_url": "ftp://example.com"})),
        with(json!({"server_url": "http://example.com/mcp"})),
        with(json!({"server_url": "https://user:secret@example.com/mcp"})),
        with(json!({"server_url": "https://10.0.0.1/mcp"})),
        with(json!({"server_url": "https://[::ffff:10.0.0.1]/mcp"})),
        with(json!({"server_url": "https://metadata.google.internal/"})),
        with(json!({"server_url": "https://metadata.goog/"})),
        with(json!({"transport": "stdio"})),
        with(json!({"transport": 1})),
        with(json!({"auth_type": "basic"})),
        with(json!({"auth_type": "bearer"})),
        with(json!({"auth_type": "bearer", "token": ""})),
        with(json!({"auth_type": "bearer", "token": "line\nfeed"})),
        with(json!({"auth_type": "api_key"})),
        with(json!({"auth_type": "api_key", "api_key": "k", "api_key_header": "not a header"})),
        with(json!({"auth_type": "api_key", "api_key": "k", "api_key_header": "Host"})),
        with(json!({"headers": {"not a header": "x"}})),
        with(json!({"headers": {"X-A": "line\nfeed"}})),
        with(json!({"headers": {"X-A": 1}})),
        with(json!({"headers": ["X-A"]})),
        with(json!({"headers": {"X-A": "1", "x-a": "2"}})),
        with(json!({"headers": {"Content-Length": "1"}})),
        with(json!({"auth_type": "oauth", "oauth_scopes": "mcp:read"})),
        with(json!({"auth_type": "oauth", "oauth_scopes": ["with blank"]})),
        with(json!({"auth_type": "oauth", "oauth_client_secret": "s"})),
        oauth("oauth_authorize_url", "https://10.0.0.1/auth"),
        oauth("oauth_authorize_url", "javascript:alert(1)"),
        oauth("oauth_token_url", "http://example.com/token"),
        oauth("oauth_token_url", "https://169.254.169.254/token"),
        with(json!({"unknown_field": 1})),
    ];
    let before = world.admin()?.get(CONNECTIONS).await?.text;
    let mut wrong = Vec::new();
    for body in bodies {
        let answer = world.admin()?.post(CUSTOM, &body).await?;
        match refused(&answer, 400) {
            Ok(message) if message.contains("secret@") => wrong.push(format!("{body}: {message}")),
            Ok(_) => {}
            Err(error) => wrong.push(format!("{body}: {error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = world.admin()?.get(CONNECTIONS).await?.text;
    let count = |text: &str| text.matches("Feather bad").count();
    assert_eq!((count(&before), count(&after)), (0, 0));
    Ok(())
}

#[tokio::test]
async fn callers_without_a_key_or_the_right_are_refused() -> Result<()> {
    let (world, stub) = (World::shared().await?, fixtures::stub()?);
    let body = json!({"nickname": "Feather callers", "server_url": stub.url("/modern")});
    let with_key = |key: &str| -> Result<reqwest::RequestBuilder> {
        Ok(world.postern.stranger()?.request("POST".parse()?, CUSTOM).header("x-api-key", key).json(&body))
    };
    refused(&Answer::of(with_key("pst_0000000000000000_x")?).await?, 401)?;
    let created = Answer::of(with_key(world.postern.admin_key())?).await?.expect(201)?;
    refused(&world.admin()?.post(CUSTOM, &body).await?, 409).context("the nickname is taken")?;
    let id = text(&created, "connection_id")?;
    let one = format!("{CONNECTIONS}/{id}");
    let lease = format!("{one}/test-lease");
    let routes =
        [("POST", CUSTOM), ("GET", CONNECTIONS), ("GET", &one), ("POST", &lease), ("DELETE", one.as_str())];
    for (method, path) in routes {
        let send = async |api: Api| api.call(method, path).await;
        refused(&send(world.postern.stranger()?).await?, 401).with_context(|| format!("{method} {path}"))?;
        refused(&send(world.developer()?).await?, 403).with_context(|| format!("{method} {path}"))?;
        refused(&send(world.guest()?).await?, 403).with_context(|| format!("{method} {path}"))?;
    }
    for nobody in [UNKNOWN, "not-a-uuid", "%00"] {
        for (method, rest) in [("GET", ""), ("DELETE", ""), ("POST", "/test-lease")] {
            let answer = world.admin()?.call(method, &format!("{CONNECTIONS}/{nobody}{rest}")).await?;
            let message = refused(&answer, 404).with_context(|| format!("{method} {nobody}"))?;
            assert_eq!(message, "connection not found");
        }
    }
    refused(&world.admin()?.call("PUT", CUSTOM).await?, 405)?;
    Ok(())
}
