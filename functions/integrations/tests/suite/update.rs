//! Updates, OAuth configuration and users' own credentials through the whole router, on the real migrations.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::{Value, json};

const BASE: &str = "/api/v1/integrations";
const PERSONAS: &str =
    r#"[{"name":"user","roles":["user"],"allow_tools":["*"],"allow_connections":["open*"]}]"#;

fn app() -> App {
    App::new(integrations::families(), &[("PERSONAS", PERSONAS)])
}

async fn create(app: &App, body: Value) -> String {
    let mut whole = json!({ "name": "Open", "url": "http://127.0.0.1:1/mcp" });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let created = app.admin(Method::POST, BASE, whole).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    app.settle().await;
    created.json()["integration"]["id"].as_str().unwrap().to_owned()
}

async fn patch(app: &App, id: &str, body: Value) -> Reply {
    app.admin(Method::PATCH, &format!("{BASE}/{id}"), body).await
}

async fn patched(app: &App, id: &str, body: Value) -> Value {
    let reply = patch(app, id, body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.json()["integration"].clone()
}

async fn connection(app: &App, key: &str, method: Method, id: &str, body: &str) -> Reply {
    app.send(method, &format!("{BASE}/{id}/connection"), &[("x-api-key", key)], body.to_owned()).await
}

#[tokio::test]
async fn absent_and_null_and_present_are_told_apart() {
    let app = app();
    let id = create(&app, json!({ "description": "d", "capabilities": { "tools": true } })).await;
    let unchanged = patched(&app, &id, json!({})).await;
    assert_eq!((&unchanged["description"], &unchanged["capabilities"]["tools"]), (&json!("d"), &json!(true)));
    let changed =
        patched(&app, &id, json!({ "name": "New", "description": null, "toolPolicy": "review" })).await;
    assert_eq!((&changed["name"], &changed["toolPolicy"]), (&json!("New"), &json!("review")));
    assert_eq!((changed.get("description"), &changed["slug"]), (None, &json!("open")), "slugs stay");
    assert_eq!(changed["capabilities"]["tools"], true);
    assert!(patched(&app, &id, json!({ "capabilities": null })).await.get("capabilities").is_none());
    for field in ["name", "url", "category", "authMode", "serverToken", "toolPolicy", "confirmUnarchive"] {
        let refused = patch(&app, &id, json!({ field: null })).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{field}");
        assert!(refused.json()["message"].as_str().unwrap().starts_with(field), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_change_of_url_or_mode_resets_the_validation() {
    let app = app();
    let id = create(&app, json!({})).await;
    let known = app.admin(Method::GET, &format!("{BASE}/{id}"), None).await.json();
    assert_eq!(known["integration"]["validationStatus"], "invalid");
    let same = patched(&app, &id, json!({ "url": "http://127.0.0.1:1/mcp", "authMode": "none" })).await;
    assert_eq!(same["validationStatus"], "invalid", "nothing changed");
    for body in [json!({ "url": "http://127.0.0.1:1/other" }), json!({ "authMode": "user_token" })] {
        let reset = patched(&app, &id, body).await;
        assert_eq!(
            (&reset["validationStatus"], &reset["consecutiveFailures"]),
            (&json!("pending"), &json!(0))
        );
        assert!(reset.get("validationMessage").is_none() && reset.get("lastValidatedAt").is_none());
        app.settle().await;
    }
}

#[tokio::test]
async fn leaving_a_mode_deletes_its_credentials() {
    let app = app();
    let id = create(&app, json!({ "authMode": "user_token" })).await;
    for name in ["ann", "bob"] {
        let key = app.key(name, &["user"], None).await;
        let added = connection(&app, &key, Method::POST, &id, r#"{"token":"canary-1"}"#).await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    }
    assert_eq!(app.database.count("credentials"), 2);
    let refused = patch(&app, &id, json!({ "authMode": "server_token" })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.database.count("credentials"), 2, "a refused change loses nothing");
    let moved = patched(&app, &id, json!({ "authMode": "server_token", "serverToken": "canary-2" })).await;
    assert_eq!((&moved["serverTokenConfigured"], app.database.count("credentials")), (&json!(true), 1));
    patched(&app, &id, json!({ "serverToken": "canary-3" })).await;
    patched(&app, &id, json!({ "name": "Still" })).await;
    assert_eq!(app.database.count("credentials"), 1);
    let left = patched(&app, &id, json!({ "authMode": "none" })).await;
    assert_eq!((&left["serverTokenConfigured"], app.database.count("credentials")), (&json!(false), 0));
    assert!(!app.database.dump().contains("canary"));
}

#[tokio::test]
async fn updates_that_break_a_rule_change_nothing() {
    let app = app();
    create(&app, json!({ "name": "Taken" })).await;
    let id = create(&app, json!({})).await;
    let before = app.database.dump();
    for (body, status, message) in [
        (json!({ "name": "Taken" }), 409, "already exists"),
        (json!({ "name": "" }), 400, "name must have"),
        (json!({ "url": "https://10.0.0.1/" }), 400, "private or reserved"),
        (json!({ "serverToken": "t" }), 400, "serverToken is only for"),
        (json!({ "oauth": {} }), 400, "oauth is only for"),
        (json!({ "authMode": "oauth", "oauth": { "issuer": "http://x.example" } }), 400, "oauth.issuer"),
        (json!({ "authMode": "oauth", "oauth": { "clientSecret": "canary" } }), 400, "needs oauth.clientId"),
        (json!({ "credentialSchema": { "type": 7 } }), 400, "credentialSchema"),
        (json!({ "credentialHeaders": [{ "name": "Host", "value": "x" }] }), 400, "must not set host"),
        (json!({ "credentialHeaders": [{ "name": "X-A", "value": "{token}" }] }), 400, "another authMode"),
        (json!({ "colour": "red" }), 400, "unknown field"),
    ] {
        let refused = patch(&app, &id, body.clone()).await;
        assert_eq!(refused.status.as_u16(), status, "{body}: {}", refused.text);
        assert!(
            refused.text.contains(message) && !refused.text.contains("canary"),
            "{body}: {}",
            refused.text
        );
    }
    assert_eq!(app.database.dump(), before);
    let unknown = patch(&app, "550e8400-e29b-41d4-a716-446655440000", json!({})).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_archived_integration_comes_back_by_an_update_that_confirms_it() {
    let app = app();
    let id = create(&app, json!({ "authMode": "server_token", "serverToken": "canary" })).await;
    app.admin(Method::DELETE, &format!("{BASE}/{id}"), None).await;
    create(&app, json!({ "name": "open!" })).await;
    assert_eq!(
        patch(&app, &id, json!({ "url": "https://mcp.example.com/" })).await.status,
        StatusCode::NOT_FOUND
    );
    let confirmed = json!({ "confirmUnarchive": true, "authMode": "none" });
    let revived = patched(&app, &id, confirmed).await;
    assert_eq!((&revived["slug"], &revived["validationStatus"]), (&json!("open-2"), &json!("pending")));
    assert_eq!(revived["serverTokenConfigured"], false);
}

#[tokio::test]
async fn two_updates_at_once_are_both_applied() {
    let app = app();
    let id = create(&app, json!({})).await;
    let (one, two) = futures_util::join!(
        patch(&app, &id, json!({ "description": "one" })),
        patch(&app, &id, json!({ "toolPolicy": "review" }))
    );
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
    let read = app.admin(Method::GET, &format!("{BASE}/{id}"), None).await.json();
    assert_eq!(read["integration"]["description"], "one");
    assert_eq!(read["integration"]["toolPolicy"], "review");
}

#[tokio::test]
async fn an_oauth_configuration_is_replaced_as_a_whole_but_for_its_secret() {
    let app = app();
    let id = create(&app, json!({ "authMode": "oauth" })).await;
    let path = format!("{BASE}/{id}/oauth");
    assert_eq!(app.admin(Method::GET, &path, None).await.json()["oauth"]["scopes"], json!([]));
    let put = |body: Value| app.admin(Method::PUT, &path, body);
    let full = put(json!({ "provider": "github", "issuer": "https://github.com", "scopes": ["repo"],
                           "clientId": "c1", "clientSecret": "canary-9" }));
    let full = full.await;
    assert_eq!(full.json()["oauth"]["clientSecretConfigured"], true, "{}", full.text);
    let kept = put(json!({ "clientId": "c1", "issuer": "https://github.com" })).await.json()["oauth"].clone();
    assert_eq!((&kept["clientSecretConfigured"], kept.get("provider")), (&json!(true), Some(&Value::Null)));
    for body in [json!({ "clientId": "c2" }), json!({ "clientId": "c1", "clientSecret": null })] {
        put(json!({ "clientId": "c1", "clientSecret": "canary-9" })).await;
        assert_eq!(put(body).await.json()["oauth"]["clientSecretConfigured"], false);
    }
    assert!(!app.database.dump().contains("canary"));
    for _ in 0..2 {
        assert_eq!(app.admin(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(app.admin(Method::GET, &path, None).await.status, StatusCode::NOT_FOUND);
    patched(&app, &id, json!({ "authMode": "none" })).await;
    assert_eq!(put(json!({})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.admin(Method::GET, &path, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_connection_is_its_users_own() {
    let app = app();
    let id = create(&app, json!({ "authMode": "user_token" })).await;
    let hidden = create(&app, json!({ "name": "Hidden", "authMode": "user_token" })).await;
    let (ann, bob) = (app.key("ann", &["user"], None).await, app.key("bob", &["user"], None).await);
    let service = app.key("robot", &["user", "service"], None).await;
    let nobody = app.key("nobody", &["other"], None).await;
    let get = |key: String| {
        let (app, id) = (&app, id.clone());
        async move { connection(app, &key, Method::GET, &id, "").await.json()["connection"]["status"].clone() }
    };
    assert_eq!(get(ann.clone()).await, "disconnected");
    assert_eq!(
        connection(&app, &ann, Method::POST, &id, r#"{"token":"t-ann"}"#).await.status,
        StatusCode::CREATED
    );
    assert_eq!((get(ann.clone()).await, get(bob.clone()).await), (json!("connected"), json!("disconnected")));
    let managed = format!("{BASE}/{id}");
    let refused = app.send(Method::GET, &managed, &[("x-api-key", &ann)], "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "management is for admins");
    let by_admin = app.admin(Method::GET, &managed, None).await.json();
    assert_eq!(by_admin["integration"]["userConnection"]["connected"], false);
    for (key, id, status) in [
        (&service, &id, StatusCode::FORBIDDEN),
        (&nobody, &id, StatusCode::NOT_FOUND),
        (&ann, &hidden, StatusCode::NOT_FOUND),
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(connection(&app, key, method, id, r#"{"token":"t"}"#).await.status, status);
        }
    }
    for _ in 0..2 {
        assert_eq!(connection(&app, &ann, Method::DELETE, &id, "").await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(get(ann).await, "disconnected");
}

#[tokio::test]
async fn a_pasted_credential_must_match_the_schema_and_the_headers() {
    let app = app();
    let schema =
        json!({ "type": "object", "required": ["email"], "properties": { "email": { "pattern": "@" } } });
    let id = create(
        &app,
        json!({ "authMode": "user_token", "credentialSchema": schema,
            "credentialHeaders": [{ "name": "Authorization", "value": "Basic {base64(email:token)}" }] }),
    )
    .await;
    let key = app.key("ann", &["user"], None).await;
    for (body, message) in [
        (r#"{"credentials":{"email":"canary","token":"t"}}"#, "/email"),
        (r#"{"credentials":{"token":"canary"}}"#, "email"),
        (r#"{"credentials":{"email":"canary@b"}}"#, "email, token"),
        (r#"{"token":"canary"}"#, "credential"),
        (r#"{"token":"canary","credentials":{}}"#, "either token or credentials"),
        ("{}", "either token or credentials"),
        (r#"{"credentials":{"email":"a b@canary","token":"t"}}"#, "visible ASCII"),
        (r#"{"credentials":{"email":["canary"]}}"#, "credentials: wrong type"),
        (r#"{"toke":"canary"}"#, "unknown field"),
    ] {
        let refused = connection(&app, &key, Method::POST, &id, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(
            refused.text.contains(message) && !refused.text.contains("canary"),
            "{body}: {}",
            refused.text
        );
    }
    assert_eq!(app.database.count("credentials"), 0);
    let good =
        connection(&app, &key, Method::POST, &id, r#"{"credentials":{"email":"a@b","token":"t"}}"#).await;
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text);
    let other = create(&app, json!({ "name": "Open too" })).await;
    let refused = connection(&app, &key, Method::POST, &other, r#"{"token":"t"}"#).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("user_token"));
}

#[tokio::test]
async fn an_archived_integration_comes_back_with_a_new_token_only() {
    let app = app();
    let body = json!({ "name": "Phoenix", "url": "http://127.0.0.1:1/mcp", "authMode": "server_token",
                       "serverToken": "canary-old" });
    let id = create(&app, body).await;
    let one = format!("{BASE}/{id}");
    app.admin(Method::DELETE, &one, None).await;
    let refused = app.admin(Method::PATCH, &one, json!({ "confirmUnarchive": true })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert_eq!(refused.json()["message"], "serverToken is required when authMode is \"server_token\"");
    assert_eq!(app.admin(Method::GET, &one, None).await.status, StatusCode::NOT_FOUND, "still archived");
    let revived = patched(&app, &id, json!({ "confirmUnarchive": true, "serverToken": "canary-new" })).await;
    assert_eq!(revived["serverTokenConfigured"], true);
    app.admin(Method::DELETE, &one, None).await;
    let open = patched(&app, &id, json!({ "confirmUnarchive": true, "authMode": "none" })).await;
    assert_eq!((&open["authMode"], &open["serverTokenConfigured"]), (&json!("none"), &json!(false)));
}
