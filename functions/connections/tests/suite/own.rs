//! The routes of the caller's own connections, through the whole router.

use http::Method;
use native::{App, Reply, draft};
use postern_core::model::integration::{AuthMode, State};
use postern_core::registry::draft::Draft;
use serde_json::{Value, json};

const LIST: &str = "/mcp/integrations";
const PERSONAS: &str =
    r#"[{"name": "dev", "roles": ["developer", "service"], "allow_connections": ["open-*"]}]"#;

fn app() -> App {
    App::new(connections::families(), &[("PERSONAS", PERSONAS)])
}

/// Registers an integration and returns its id.
async fn register(app: &App, name: &str, auth_mode: AuthMode, state: State) -> String {
    register_at(app, name, "https://mcp.example.com/mcp", auth_mode, state).await
}

async fn register_at(app: &App, name: &str, url: &str, auth_mode: AuthMode, state: State) -> String {
    let schema = |json: &str| serde_json::value::RawValue::from_string(json.to_owned()).unwrap();
    let credential_schema = name.contains("schema").then(|| schema(r#"{"type":"object"}"#));
    let draft = Draft { credential_schema, ..draft(name, url, auth_mode) };
    app.clock.advance(std::time::Duration::from_millis(1));
    app.place_draft(&draft, state).await.id
}

async fn send(app: &App, key: &str, method: Method, path: &str, body: &str) -> Reply {
    app.send(method, path, &[("x-api-key", key)], body).await
}

fn assert_error(reply: &Reply, status: u16, message: &str) {
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["message"]),
        (status, &json!(message)),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn a_caller_sees_the_running_integrations_that_the_persona_allows() {
    let app = app();
    // The first request stores the bootstrap key, which works only while no other key is stored.
    assert_eq!(app.admin(Method::GET, LIST, None).await.json(), json!({ "items": [] }));
    let user = app.key("dev", &["developer"], None).await;
    for (name, mode, state) in [
        ("Open OAuth", AuthMode::Oauth, State::Running),
        ("Closed", AuthMode::None, State::Running),
        ("Open stopped", AuthMode::None, State::Stopped),
        ("Open schema", AuthMode::UserToken, State::Running),
        ("Open token", AuthMode::UserToken, State::Running),
        ("Open none", AuthMode::None, State::Running),
    ] {
        register(&app, name, mode, state).await;
    }
    let page = send(&app, &user, Method::GET, LIST, "").await.json();
    let shown = |item: &Value| {
        let members = ["slug", "connectType", "requiresOauth", "credentialSchema", "connection"];
        members.map(|member| item[member].clone())
    };
    let own = json!({ "connected": false, "status": "disconnected" });
    let expected = [
        [json!("open-oauth"), json!("oauth"), json!(true), Value::Null, own.clone()],
        [json!("open-schema"), json!("credentials"), json!(false), json!({ "type": "object" }), own.clone()],
        [json!("open-token"), json!("user_token"), json!(false), Value::Null, own],
        [json!("open-none"), json!("none"), json!(false), Value::Null, Value::Null],
    ];
    assert_eq!(page["items"].as_array().unwrap().iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!(page.get("nextCursor"), None);
    let everything = app.admin(Method::GET, LIST, None).await.json();
    assert_eq!(everything["items"].as_array().unwrap().len(), 5);
    let forged = send(&app, &user, Method::GET, "/mcp/integrations?cursor=x", "").await;
    assert_error(&forged, 400, "the cursor is not one that this list gave out");
}

#[tokio::test]
async fn a_user_does_not_see_the_query_of_an_upstreams_url() {
    let app = app();
    let user = app.key("dev", &["developer"], None).await;
    for (name, url) in
        [("Open a", "https://mcp.example.com/mcp?api_key=canary"), ("Open b", "https://mcp.example.com/")]
    {
        register_at(&app, name, url, AuthMode::UserToken, State::Running).await;
    }
    let listed = send(&app, &user, Method::GET, LIST, "").await;
    let items = listed.json()["items"].clone();
    assert_eq!(
        (&items[0]["url"], &items[1]["url"]),
        (&json!("https://mcp.example.com/mcp"), &json!("https://mcp.example.com/"))
    );
    assert!(!listed.text.contains("canary"), "{}", listed.text);
}

#[tokio::test]
async fn a_connection_is_for_users_who_may_use_the_integration() {
    let app = app();
    let user = app.key("dev", &["developer"], None).await;
    let service = app.key("robot", &["service"], None).await;
    let open = register(&app, "Open OAuth", AuthMode::Oauth, State::Running).await;
    let closed = register(&app, "Closed", AuthMode::Oauth, State::Running).await;
    for (method, suffix) in
        [(Method::GET, "connection"), (Method::DELETE, "connection"), (Method::POST, "init")]
    {
        for id in [closed.as_str(), "x", "550e8400-e29b-41d4-a716-446655440000"] {
            let path = format!("{LIST}/{id}/oauth/{suffix}");
            let refused = send(&app, &user, method.clone(), &path, "").await;
            assert_error(&refused, 404, "Integration not found");
        }
        let path = format!("{LIST}/{open}/oauth/{suffix}");
        let refused = send(&app, &service, method, &path, "").await;
        assert_error(&refused, 403, "a service account has no connections of its own");
    }
    let path = format!("{LIST}/{open}/oauth/connection");
    let connection = send(&app, &user, Method::GET, &path, "").await;
    assert_eq!(connection.json(), json!({ "connected": false }));
    let revoked = send(&app, &user, Method::DELETE, &path, "").await;
    assert_eq!((revoked.status.as_u16(), revoked.text.as_str()), (204, ""));
}

#[tokio::test]
async fn an_authorization_begins_only_where_users_sign_in() {
    let app = app();
    let user = app.key("dev", &["developer"], None).await;
    let plain = register(&app, "Open none", AuthMode::None, State::Running).await;
    let open = register(&app, "Open OAuth", AuthMode::Oauth, State::Running).await;
    let init = |id: &str| format!("{LIST}/{id}/oauth/init");
    let refused = send(&app, &user, Method::POST, &init(&plain), "").await;
    assert_error(&refused, 409, "connection is not configured for authorization_code OAuth");
    let refused = send(&app, &user, Method::POST, &init(&open), r#"{"return_to": "/"}"#).await;
    assert_error(&refused, 400, "unknown field \"return_to\"");
    let refused = send(&app, &user, Method::POST, &init(&open), r#"{"returnTo": "//evil.example"}"#).await;
    assert_eq!(refused.status.as_u16(), 400, "{}", refused.text);
}
