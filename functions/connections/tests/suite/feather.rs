//! The Feather routes through the whole router, on the real migrations and against a stub upstream.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

const CONNECTIONS: &str = "/v1/integrations/connections";
const CUSTOM: &str = "/v1/integrations/connections/custom-mcp";
const UNKNOWN: &str = "550e8400-e29b-41d4-a716-446655440000";

fn app() -> App {
    App::new(connections::families(), &[])
}

async fn connect(app: &App, body: Value) -> String {
    let reply = app.admin(Method::POST, CUSTOM, body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    reply.json()["connection_id"].as_str().unwrap().to_owned()
}

fn assert_error(reply: &Reply, status: u16, message: &str) {
    let body = reply.json();
    assert_eq!(
        (reply.status.as_u16(), &body["error"]["message"]),
        (status, &json!(message)),
        "{}",
        reply.text
    );
    assert_eq!(body["request_id"].as_str().unwrap(), reply.header("x-request-id"));
}

#[tokio::test]
async fn a_key_in_the_authorization_header_is_presented_as_given() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    connect(
        &app,
        json!({
            "nickname": "Bare", "server_url": stub.url("/modern"), "auth_type": "api_key", "api_key": "canary",
            "api_key_header": "Authorization",
        }),
    )
    .await;
    app.settle().await;
    let requests = stub.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.header("authorization"), Some("canary"));
    }
}

#[tokio::test]
async fn a_connection_is_made_read_probed_and_removed() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let body = json!({
        "nickname": " Tickets ", "server_url": stub.url("/modern"), "auth_type": "bearer", "token": "canary",
        "oauth_scopes": [], "transport": "sse",
    });
    let reply = app.admin(Method::POST, CUSTOM, body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    let id = reply.json()["connection_id"].as_str().unwrap().to_owned();
    let expected = json!({
        "connection_id": id, "status": "active", "vendor": "custom_mcp", "authorize_url": null, "state": null,
    });
    assert_eq!(reply.json(), expected);
    app.settle().await;

    let path = format!("{CONNECTIONS}/{id}");
    let connection = app.admin(Method::GET, &path, None).await.json();
    assert_eq!((&connection["nickname"], &connection["status"]), (&json!("Tickets"), &json!("active")));
    assert_eq!((&connection["tools_status"], &connection["status_reason"]), (&json!("synced"), &Value::Null));
    let tools = connection["tools"].as_array().unwrap();
    assert_eq!(tools.len(), usize::try_from(app.database.count("catalogue_entries")).unwrap());
    for tool in tools {
        assert_eq!(tool["connection_id"], id.as_str());
        let slug = format!("tickets__{}", tool["tool_path"].as_str().unwrap());
        assert_eq!((&tool["slug"], &tool["is_enabled"]), (&json!(slug), &json!(true)));
        assert!(tool["input_schema"]["type"] == "object" && tool.get("definition").is_none(), "{tool}");
    }

    let lease = app.admin(Method::POST, &format!("{path}/test-lease"), None).await.json();
    assert_eq!(lease, json!({ "ok": true, "url": stub.url("/modern") }));
    let listed = app.admin(Method::GET, CONNECTIONS, None).await;
    assert_eq!((listed.json()[0]["id"].as_str(), listed.json()[0].get("tools")), (Some(id.as_str()), None));
    assert_eq!(listed.header("link"), "");

    let removed = app.admin(Method::DELETE, &path, None).await;
    assert_eq!((removed.status, removed.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_error(&app.admin(Method::GET, &path, None).await, 404, "connection not found");
}

#[tokio::test]
async fn an_error_names_the_broken_rule() {
    let app = app();
    let url = "https://mcp.example.com/mcp";
    for (fields, message) in [
        (json!({ "nickname": "" }), "nickname must have 1 to 200 characters"),
        (json!({ "nickname": "a\u{7}b" }), "nickname must not contain control characters"),
        (json!({ "auth_type": "bearer" }), "token is required with this auth_type"),
        (json!({ "auth_type": "api_key" }), "api_key is required with this auth_type"),
        (json!({ "auth_type": "bearer", "token": "a b" }), "token must consist of visible ASCII characters"),
        (json!({ "server_url": "http://mcp.example.com" }), "server_url must be an https URL"),
        (
            json!({ "server_url": "https://metadata.goog/" }),
            "server_url must not point to a private host name",
        ),
        (json!({ "headers": { "a b": "c" } }), "headers must be the name of a header (RFC 9110 §5.1)"),
        (json!({ "headers": { "Host": "c" } }), "headers must not set host"),
        (
            json!({ "headers": { "X-A": "a\nb" } }),
            "headers must have 1 to 1024 characters of visible ASCII as the value of x-a",
        ),
        (
            json!({ "headers": { "X-A": "1", "x-a": "2" } }),
            "headers must not have x-a twice, or the header that carries the credential",
        ),
        (
            json!({ "auth_type": "bearer", "token": "t", "headers": { "authorization": "x" } }),
            "headers must not have authorization twice, or the header that carries the credential",
        ),
        (
            json!({ "auth_type": "api_key", "api_key": "k", "api_key_header": "Host" }),
            "api_key_header must not set host",
        ),
        (
            json!({ "auth_type": "oauth", "oauth_authorize_url": "http://idp.example.com/a" }),
            "oauth_authorize_url must be an https URL",
        ),
        (
            json!({ "auth_type": "oauth", "oauth_token_url": "https://10.0.0.1/t" }),
            "oauth_token_url must not point to a private or reserved address",
        ),
        (
            json!({ "auth_type": "oauth", "oauth_client_secret": "s" }),
            "oauth_client_secret needs oauth_client_id",
        ),
        (
            json!({ "auth_type": "oauth", "oauth_client_id": "" }),
            "oauth_client_id must have 1 to 2048 bytes and no control characters",
        ),
        (
            json!({ "auth_type": "oauth", "oauth_scopes": ["a b"] }),
            "oauth_scopes must be at most 100 scope tokens of visible ASCII without \" and \\",
        ),
        (json!({ "colour": "red" }), "unknown field \"colour\""),
    ] {
        let mut body = json!({ "nickname": "Tickets", "server_url": url });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_error(&app.admin(Method::POST, CUSTOM, body).await, 400, message);
    }
    let discover = json!({ "server_url": "http://mcp.example.com" });
    let reply = app.admin(Method::POST, &format!("{CUSTOM}/discover"), discover).await;
    assert_error(&reply, 400, "server_url must be an https URL");
    assert_eq!(app.database.count("integrations"), 0);
}

#[tokio::test]
async fn an_authorization_that_cannot_begin_leaves_no_connection() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let body = json!({ "nickname": "Tickets", "server_url": stub.url("/modern"), "auth_type": "oauth" });
    let reply = app.admin(Method::POST, CUSTOM, body).await;
    assert!(reply.status.is_server_error(), "{}", reply.text);
    assert_eq!(app.admin(Method::GET, CONNECTIONS, None).await.json(), json!([]));
}

#[tokio::test]
async fn unknown_and_malformed_ids_answer_alike_and_only_administrators_are_served() {
    let app = app();
    // The first request stores the bootstrap key, which works only while no other key is stored.
    assert_eq!(app.admin(Method::GET, CONNECTIONS, None).await.json(), json!([]));
    let developer = format!("Bearer {}", app.key("dev", &["developer"], None).await);
    for (method, suffix) in [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/test-lease")] {
        for id in [UNKNOWN, "x"] {
            let path = format!("{CONNECTIONS}/{id}{suffix}");
            assert_error(&app.admin(method.clone(), &path, None).await, 404, "connection not found");
            let refused = app.send(method.clone(), &path, &[("authorization", &developer)], "").await;
            assert_error(&refused, 403, "this needs the admin persona");
        }
    }
}

#[tokio::test]
async fn the_link_header_leads_to_the_next_page() {
    let app = app();
    let mut ids = Vec::new();
    for number in 0..201 {
        let url = format!("https://mcp.example.com/{number}");
        ids.push(connect(&app, json!({ "nickname": format!("Server {number}"), "server_url": url })).await);
        app.clock.advance(std::time::Duration::from_millis(1));
    }
    let first = app.admin(Method::GET, CONNECTIONS, None).await;
    let link = first.header("link");
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    let second = app.admin(Method::GET, next, None).await;
    assert_eq!(second.header("link"), "");
    let listed = [first.json(), second.json()];
    let listed = listed.iter().flat_map(|page| page.as_array().unwrap());
    assert_eq!(listed.map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), ids);
    let forged = app.admin(Method::GET, &format!("{CONNECTIONS}?cursor=x"), None).await;
    assert_error(&forged, 400, "the cursor is not one that this list gave out");
}
