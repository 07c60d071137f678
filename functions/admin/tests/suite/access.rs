//! Who may use the admin API: administrators only, and to everybody else it answers as if no key had been sent.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::json;

const START: &str = "/api/v1/admin/gateway/connections/github/oauth-start";

async fn start(app: &App, key: Option<&str>) -> Reply {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    app.send(Method::POST, START, &headers, "").await
}

#[tokio::test]
async fn callers_other_than_administrators_get_401_and_never_403() {
    let app = App::new(admin::families(), &[]);
    let user = app.key("user", &["dev"], None).await;
    for (key, detail) in [
        (None, "authentication required: send Authorization: Bearer <key>"),
        (Some("pst_nonsense"), "the API key is unknown or expired"),
        (Some(user.as_str()), "authentication required"),
    ] {
        let reply = start(&app, key).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{key:?}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"postern\"");
        let body = reply.json();
        assert_eq!((&body["status"], &body["detail"]), (&json!(401), &json!(detail)));
    }
}

#[tokio::test]
async fn an_administrator_is_told_what_is_missing() {
    let app = App::new(admin::families(), &[]);
    let reply = start(&app, Some(&app.admin)).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.json()["detail"], "gateway connection not found");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_in_the_words_of_this_api() {
    let app = App::new(admin::families(), &[]);
    let bearer = format!("Bearer {}", app.admin);
    let body = format!("{{\"return_url\":\"/{}\"}}", "a".repeat(1_100_000));
    let reply = app.send(Method::POST, START, &[("authorization", &bearer)], body).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let body = reply.json();
    assert_eq!((&body["status"], &body["title"]), (&json!(413), &json!("Payload Too Large")));
    assert_eq!(body["detail"], "request body too large");
}
