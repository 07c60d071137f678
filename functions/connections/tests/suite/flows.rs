//! Sign-ins under way: an owner has few of them, and one more gives up the oldest.

use std::time::Duration;

use http::{Method, StatusCode};
use native::App;
use postern_core::store::oauth_flows::MOST_OPEN;
use serde_json::json;

#[tokio::test]
async fn one_more_sign_in_gives_up_the_oldest() {
    let families = [integrations::families(), connections::families()].into_iter().flatten().collect();
    let app = App::new(families, &[("PUBLIC_URL", "https://postern.example.com")]);
    // With both endpoints configured, starting asks no server.
    let oauth = json!({
        "clientId": "postern",
        "authorizationUrl": "https://login.example.com/authorize",
        "tokenUrl": "https://login.example.com/token",
        "scopes": ["read"],
    });
    let body =
        json!({"name": "Many", "url": "https://mcp.example.com/mcp", "authMode": "oauth", "oauth": oauth});
    let created = app.admin(Method::POST, "/api/v1/integrations", body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let id = created.json()["integration"]["id"].as_str().unwrap().to_owned();
    let other = app.key("other", &["admin"], None).await;
    let init = format!("/mcp/integrations/{id}/oauth/init");
    let start = async |key: &str| {
        app.clock.advance(Duration::from_millis(1));
        let started = app.send(Method::POST, &init, &[("x-api-key", key)], "").await;
        assert!(started.status.is_success(), "{} {}", started.status, started.text);
    };
    // The other owner's sign-in is the oldest of all.
    start(&other).await;
    let oldest = "SELECT min(created_at) FROM oauth_flows
                  WHERE created_at > (SELECT min(created_at) FROM oauth_flows)";
    let mut firsts = Vec::new();
    for _ in 0..MOST_OPEN + 2 {
        start(&app.admin).await;
        firsts.push(app.rows(oldest).await.unwrap().remove(0).read().integer().unwrap());
    }
    assert_eq!(app.database.count("oauth_flows"), MOST_OPEN + 1, "the other owner's is still there");
    let [.., before, after] = firsts[..] else { panic!("no starts") };
    assert!(firsts[0] < before && before < after, "not the oldest ones were given up: {firsts:?}");
}
