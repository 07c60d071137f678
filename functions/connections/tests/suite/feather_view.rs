//! What a connection shows of itself and of its tools.

use std::time::Duration;

use http::Method;
use kernel::ports::Statement;
use native::App;
use postern_core::model::integration::AuthMode;
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

const CONNECTIONS: &str = "/v1/integrations/connections";
const CUSTOM: &str = "/v1/integrations/connections/custom-mcp";

const MEMBERS: [&str; 19] = [
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

const TOOL_MEMBERS: [&str; 17] = [
    "connection_id",
    "default_count",
    "description",
    "display_name",
    "id",
    "input_defaults",
    "input_schema",
    "is_enabled",
    "last_seen_at",
    "merged_input_preview",
    "pinned_count",
    "response_field_map",
    "response_schema",
    "slug",
    "stale_field_paths",
    "stale_input_fields",
    "tool_path",
];

fn app() -> App {
    App::new(connections::families(), &[])
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn connect(app: &App, body: Value) -> String {
    let reply = app.admin(Method::POST, CUSTOM, body).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text);
    app.settle().await;
    reply.json()["connection_id"].as_str().unwrap().to_owned()
}

async fn get(app: &App, id: &str) -> Value {
    let reply = app.admin(Method::GET, &format!("{CONNECTIONS}/{id}"), None).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text);
    reply.json()
}

async fn run(app: &App, sql: &'static str) {
    app.platform.sql.execute(Statement::new(sql)).await.unwrap();
}

#[tokio::test]
async fn a_connection_has_every_member_and_its_tools_have_no_definition() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let url = stub.url("/modern");
    let body = json!({ "nickname": "Tickets", "server_url": url, "auth_type": "bearer", "token": "t" });
    let id = connect(&app, body).await;
    let shown = get(&app, &id).await;
    assert_eq!(keys(&shown), MEMBERS, "{shown}");
    for (name, value) in [
        ("organization_id", json!("organization")),
        ("vendor_connection_id", Value::Null),
        ("last_refreshed_at", Value::Null),
        ("last_used_at", Value::Null),
        ("connected_at", shown["created_at"].clone()),
        ("metadata", json!({ "era": "modern" })),
        ("status", json!("active")),
    ] {
        assert_eq!(shown[name], value, "{name} of {shown}");
    }
    let tools = shown["tools"].as_array().unwrap();
    assert!(!tools.is_empty());
    for tool in tools {
        assert_eq!(keys(tool), TOOL_MEMBERS, "{tool}");
        assert!(tool["display_name"].is_string() && tool["input_schema"].is_object(), "{tool}");
    }
    let listed = app.admin(Method::GET, CONNECTIONS, None).await.json();
    let mut expected = shown.clone();
    expected.as_object_mut().unwrap().remove("tools");
    assert_eq!(listed, json!([expected]));
}

#[tokio::test]
async fn a_connection_tells_when_it_was_last_used_and_renewed() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let plain = connect(&app, json!({ "nickname": "Plain", "server_url": stub.url("/modern") })).await;
    let body =
        json!({ "nickname": "Key", "server_url": stub.url("/modern"), "auth_type": "bearer", "token": "t" });
    let key = connect(&app, body).await;
    run(&app, "UPDATE integrations SET created_at = 1700000000000").await;
    run(&app, "UPDATE credentials SET created_at = 1700000000000, last_refreshed_at = 1700000060000").await;
    run(
        &app,
        "INSERT INTO audit_events (id, timestamp, duration_ms, request_id, user_id, tool_name, toolkit_kind, connection,
            parameters, success, request_chars, response_chars, content_blocks, transport, source, authorized)
         SELECT 'evt_' || id || n, created_at + 1000 * n, 1, 'r', 'u', 't', 'mcp', slug, '{}', 1, 1, 1, 1, 'http', 'mcp', n < 3
         FROM integrations, (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT -1) WHERE slug = 'plain'",
    )
    .await;
    let plain = get(&app, &plain).await;
    assert_eq!(plain["last_used_at"], "2023-11-14T22:13:22.000Z", "the last call that was allowed");
    assert_eq!((&plain["connected_at"], &plain["last_refreshed_at"]), (&plain["created_at"], &Value::Null));
    let key = get(&app, &key).await;
    assert_eq!(key["connected_at"], "2023-11-14T22:13:20.000Z");
    assert_eq!(key["last_refreshed_at"], "2023-11-14T22:14:20.000Z");
    assert_eq!(key["last_used_at"], Value::Null);
}

#[tokio::test]
async fn a_tool_tells_when_its_server_was_last_found_to_have_it() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let id = connect(&app, json!({ "nickname": "Tickets", "server_url": stub.url("/modern") })).await;
    let lease = format!("{CONNECTIONS}/{id}/test-lease");
    let first = get(&app, &id).await["tools"][0]["last_seen_at"].clone();
    app.clock.advance(Duration::from_mins(1));
    app.admin(Method::POST, &lease, None).await;
    let second = get(&app, &id).await["tools"][0]["last_seen_at"].clone();
    assert!(
        second.as_str() > first.as_str(),
        "a probe that finds nothing new has seen the tools: {first} {second}"
    );
    app.clock.advance(Duration::from_mins(1));
    stub.break_with(Some(503.try_into().unwrap()));
    app.admin(Method::POST, &lease, None).await;
    let shown = get(&app, &id).await;
    assert_eq!(shown["status"], "error");
    let third = &shown["tools"][0]["last_seen_at"];
    assert!(third.as_str() <= second.as_str(), "a probe that fails has seen nothing: {second} {third}");
}

#[tokio::test]
async fn a_tool_tells_which_fields_its_server_dropped() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let id = connect(&app, json!({ "nickname": "Tickets", "server_url": stub.url("/modern") })).await;
    run(
        &app,
        "UPDATE catalogue_entries SET status = 'changed', found_hash = 'x',
            definition = '{\"title\":\"Echo\",\"description\":\"Says it.\",
                \"inputSchema\":{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{\"properties\":{\"c\":{},\"d\":{}}}}},
                \"outputSchema\":{\"type\":\"object\",\"properties\":{\"e\":{}}}}',
            found_definition = '{\"inputSchema\":{\"type\":\"object\",\"properties\":{\"b\":{\"properties\":{\"d\":{}}}}}}'
         WHERE name = 'echo'",
    )
    .await;
    let shown = get(&app, &id).await;
    let echo = shown["tools"].as_array().unwrap().iter().find(|tool| tool["tool_path"] == "echo").unwrap();
    assert_eq!((&echo["display_name"], &echo["description"]), (&json!("Echo"), &json!("Says it.")));
    assert_eq!(echo["stale_input_fields"], json!(["a", "b.c"]));
    assert_eq!(echo["stale_field_paths"], json!(["e"]));
    assert_eq!((&echo["is_enabled"], &echo["response_schema"]["type"]), (&json!(false), &json!("object")));
}

#[tokio::test]
async fn only_a_connection_by_oauth_waits_for_consent() {
    let app = app();
    for (name, auth_mode) in [("By consent", AuthMode::Oauth), ("By users", AuthMode::UserToken)] {
        let id = app.place(name, "https://mcp.example.com/mcp", auth_mode).await.id;
        let shown = get(&app, &id).await;
        let expected = if auth_mode == AuthMode::Oauth { "pending_oauth" } else { "active" };
        assert_eq!((&shown["status"], &shown["connected_at"]), (&json!(expected), &Value::Null), "{shown}");
    }
}
