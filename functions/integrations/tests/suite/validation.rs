//! Validation against real HTTP upstreams: era detection, the whole catalogue, and every way to be unusable.

use std::time::Duration;

use http::{Method, StatusCode};
use native::App;
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

const BASE: &str = "/api/v1/integrations";

async fn validate(app: &App, url: &str) -> Value {
    let name = format!("Upstream {}", app.database.count("integrations"));
    let created = app.admin(Method::POST, BASE, json!({ "name": name, "url": url })).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let id = created.json()["integration"]["id"].as_str().unwrap().to_owned();
    let validated = app.admin(Method::POST, &format!("{BASE}/{id}/validate"), None).await;
    assert_eq!(validated.status, StatusCode::OK, "{}", validated.text);
    assert_eq!(app.admin(Method::GET, &format!("{BASE}/{id}"), None).await.text, validated.text);
    validated.json()["integration"].clone()
}

fn app() -> App {
    App::new(integrations::families(), &[("UPSTREAM_TIMEOUT_MS", "500")])
}

#[tokio::test]
async fn the_era_is_found_and_every_page_is_read() {
    let stub = Stub::start(Options { extra_tools: 120, page_size: Some(25), ..Options::default() }).unwrap();
    for (path, version) in [
        ("/legacy", "2025-11-25"),
        ("/modern", "2026-07-28"),
        ("/dual", "2026-07-28"),
        ("/legacy?sse=1", "2025-11-25"),
        ("/modern?sse=1", "2026-07-28"),
    ] {
        let app = app();
        let integration = validate(&app, &stub.url(path)).await;
        assert_eq!(integration["validationStatus"], "valid", "{path}: {integration}");
        let message = integration["validationMessage"].as_str().unwrap();
        let tools = app.database.count("catalogue_entries");
        assert!(tools > 120, "{path}: {tools}");
        assert_eq!(message, format!("reachable: MCP {version}, {tools} tools"), "{path}");
        assert!(integration["lastValidatedAt"].is_string());
    }
}

#[tokio::test]
async fn a_second_probe_keeps_tool_ids_and_deletes_removed_tools() {
    let stub = Stub::start(Options { extra_tools: 3, ..Options::default() }).unwrap();
    let app = app();
    let integration = validate(&app, &stub.url("/modern")).await;
    let ids = app.rows("SELECT name, id FROM catalogue_entries ORDER BY name").await.unwrap();
    let path = format!("{BASE}/{}/validate", integration["id"].as_str().unwrap());
    app.admin(Method::POST, &path, None).await;
    assert_eq!(app.rows("SELECT name, id FROM catalogue_entries ORDER BY name").await.unwrap(), ids);
    stub.set_tool(json!({ "name": "passing", "inputSchema": {} }));
    app.clock.advance(Duration::from_secs(1));
    app.admin(Method::POST, &path, None).await;
    assert_eq!(app.database.count("catalogue_entries"), i64::try_from(ids.len()).unwrap() + 1);
    assert!(stub.remove_tool("passing"));
    app.clock.advance(Duration::from_secs(1));
    app.admin(Method::POST, &path, None).await;
    assert_eq!(app.rows("SELECT name, id FROM catalogue_entries ORDER BY name").await.unwrap(), ids);
}

#[tokio::test]
async fn an_unusable_upstream_is_invalid_and_says_why() {
    let stub = Stub::start(Options::default()).unwrap();
    for (path, why) in [
        ("/status/500", "HTTP 500"),
        ("/status/401", "requires authorization (HTTP 401)"),
        ("/status/404", "HTTP 404"),
        ("/hang", "did not answer in time"),
        ("/html", "not MCP"),
        ("/bad-json", "not MCP"),
        ("/redirect?to=http://127.0.0.1:1/", "redirect (HTTP 302)"),
        ("/redirect?to=http://169.254.169.254/", "redirect (HTTP 302)"),
    ] {
        let app = app();
        let integration = validate(&app, &stub.url(path)).await;
        assert_eq!(integration["validationStatus"], "invalid", "{path}: {integration}");
        assert!(integration["validationMessage"].as_str().unwrap().contains(why), "{path}: {integration}");
    }
    let integration = validate(&app(), "http://127.0.0.1:1/mcp").await;
    assert!(integration["validationMessage"].as_str().unwrap().contains("cannot be reached"));
}

#[tokio::test]
async fn a_dead_upstream_keeps_its_catalogue() {
    let stub = Stub::start(Options::default()).unwrap();
    let app = app();
    let integration = validate(&app, &stub.url("/legacy")).await;
    let tools = app.database.count("catalogue_entries");
    drop(stub);
    let path = format!("{BASE}/{}/validate", integration["id"].as_str().unwrap());
    let invalid = app.admin(Method::POST, &path, None).await.json();
    assert_eq!(invalid["integration"]["validationStatus"], "invalid");
    assert_eq!(app.database.count("catalogue_entries"), tools);
}

#[tokio::test]
async fn the_token_is_presented_upstream_and_only_there() {
    let stub =
        Stub::start(Options { require_bearer: Some("canary-71".to_owned()), ..Options::default() }).unwrap();
    for path in ["/modern", "/legacy"] {
        let app = app();
        let body = json!({ "name": "Protected", "url": stub.url(path), "authMode": "server_token", "serverToken": "canary-71" });
        let created = app.admin(Method::POST, BASE, body).await;
        let id = created.json()["integration"]["id"].as_str().unwrap().to_owned();
        let validated = app.admin(Method::POST, &format!("{BASE}/{id}/validate"), None).await;
        assert_eq!(validated.json()["integration"]["validationStatus"], "valid", "{}", validated.text);
        assert!(!validated.text.contains("canary-71"));
        assert!(!app.database.dump().contains("canary-71"));
    }
    for request in stub.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer canary-71"));
        assert!(request.header("x-api-key").is_none());
    }
}

#[tokio::test]
async fn a_create_is_answered_before_the_upstream_is_probed() {
    let stub = Stub::start(Options::default()).unwrap();
    let app = app();
    let created = app.admin(Method::POST, BASE, json!({ "name": "Later", "url": stub.url("/modern") })).await;
    assert!(stub.requests().is_empty(), "no request was sent before the answer");
    app.settle().await;
    let id = created.json()["integration"]["id"].as_str().unwrap().to_owned();
    let read = app.admin(Method::GET, &format!("{BASE}/{id}"), None).await;
    assert_eq!(read.json()["integration"]["validationStatus"], "valid");
}

#[tokio::test]
async fn credentials_only_integrations_are_never_dialled() {
    let stub = Stub::start(Options::default()).unwrap();
    let app = app();
    let body = json!({ "name": "Vault", "url": stub.url("/modern"), "category": "internal_mcp_credentials" });
    let id =
        app.admin(Method::POST, BASE, body).await.json()["integration"]["id"].as_str().unwrap().to_owned();
    let validated = app.admin(Method::POST, &format!("{BASE}/{id}/validate"), None).await;
    assert_eq!(validated.json()["integration"]["validationStatus"], "valid");
    assert!(stub.requests().is_empty());
    assert_eq!(app.database.count("catalogue_entries"), 0);
}
