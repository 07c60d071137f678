//! What credentials are bound to: an integration's origin, its authorization server, and their owner. Through the whole
//! router, with upstreams that record what they are sent.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

const BASE: &str = "/api/v1/integrations";
const PERSONAS: &str = r#"[{"name":"user","roles":["user"],"allow_tools":["*"],"allow_connections":["*"]}]"#;

fn app() -> App {
    App::new(integrations::families(), &[("PERSONAS", PERSONAS)])
}

fn stub() -> Stub {
    Stub::start(Options::default()).unwrap()
}

async fn create(app: &App, body: Value) -> String {
    let created = app.admin(Method::POST, BASE, body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    app.settle().await;
    created.json()["integration"]["id"].as_str().unwrap().to_owned()
}

async fn patched(app: &App, id: &str, body: Value) -> Value {
    let reply = app.admin(Method::PATCH, &format!("{BASE}/{id}"), body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    app.settle().await;
    reply.json()["integration"].clone()
}

async fn connect(app: &App, key: &str, id: &str, token: &str) -> Reply {
    let body = json!({ "token": token }).to_string();
    let headers = [("x-api-key", key)];
    let stored = app.send(Method::POST, &format!("{BASE}/{id}/connection"), &headers, body).await;
    assert_eq!(stored.status, StatusCode::CREATED, "{}", stored.text);
    app.settle().await;
    stored
}

async fn is_connected(app: &App, key: &str, id: &str) -> bool {
    let headers = [("x-api-key", key)];
    let shown = app.send(Method::GET, &format!("{BASE}/{id}/connection"), &headers, "").await;
    shown.json()["connection"]["connected"].as_bool().unwrap()
}

async fn integration(app: &App, id: &str) -> Value {
    app.admin(Method::GET, &format!("{BASE}/{id}"), None).await.json()["integration"].clone()
}

/// Everything that an upstream was sent, as one text.
fn sent_to(stub: &Stub) -> String {
    let headers: Vec<_> = stub.requests().into_iter().map(|request| request.headers).collect();
    format!("{headers:?}")
}

#[tokio::test]
async fn another_origin_gets_no_credential_of_the_former_one() {
    let (app, old, new) = (app(), stub(), stub());
    let body = json!({ "name": "Shared", "url": old.url("/modern"), "authMode": "server_token",
                       "serverToken": "canary-org" });
    let id = create(&app, body).await;
    assert!(sent_to(&old).contains("canary-org"), "the former server gets it");
    // Another path is still the same server.
    assert_eq!(patched(&app, &id, json!({ "url": old.url("/dual") })).await["serverTokenConfigured"], true);

    let moved = patched(&app, &id, json!({ "url": new.url("/modern") })).await;
    assert_eq!(moved["serverTokenConfigured"], false);
    assert!(!sent_to(&new).contains("canary"), "{}", sent_to(&new));
    assert_eq!(app.database.count("credentials"), 0);
    // The same request may bring the credential for the new origin.
    let back = patched(&app, &id, json!({ "url": old.url("/modern"), "serverToken": "canary-2" })).await;
    assert_eq!(back["serverTokenConfigured"], true);
    assert!(sent_to(&old).contains("canary-2"));
}

#[tokio::test]
async fn users_connect_anew_at_another_origin() {
    let (app, old, new) = (app(), stub(), stub());
    let body = json!({ "name": "Own", "url": old.url("/guarded/plain/modern"), "authMode": "user_token" });
    let id = create(&app, body).await;
    let ann = app.key("ann", &["user"], None).await;
    let key = app.key("root", &["admin"], None).await;
    connect(&app, &ann, &id, "canary-ann").await;
    assert!(is_connected(&app, &ann, &id).await);
    let patch = |body: Value| {
        let (app, key, path) = (&app, key.clone(), format!("{BASE}/{id}"));
        async move {
            let reply = app.send(Method::PATCH, &path, &[("x-api-key", &key)], body.to_string()).await;
            app.settle().await;
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        }
    };
    patch(json!({ "url": old.url("/guarded/metadata/modern") })).await;
    assert!(is_connected(&app, &ann, &id).await, "another path is the same server");
    patch(json!({ "url": new.url("/guarded/plain/modern") })).await;
    assert!(!is_connected(&app, &ann, &id).await);
    assert_eq!(app.database.count("credentials"), 0);
    assert!(!sent_to(&new).contains("canary"));
}

#[tokio::test]
async fn a_sign_in_under_way_does_not_reach_another_origin() {
    let (app, old, new) = (app(), stub(), stub());
    let oauth = json!({ "name": "Flowing", "url": old.url("/guarded/plain/modern"), "authMode": "oauth" });
    let id = create(&app, oauth).await;
    app.begun(&id, "apikey:ann", "state", &old.url("/token"), None).await;
    patched(&app, &id, json!({ "url": old.url("/guarded/metadata/modern") })).await;
    assert_eq!(app.database.count("oauth_flows"), 1, "another path is the same server");
    patched(&app, &id, json!({ "url": new.url("/guarded/plain/modern") })).await;
    assert_eq!(app.database.count("oauth_flows"), 0);
}

#[tokio::test]
async fn secret_headers_stay_behind_and_templates_move_along() {
    let (app, old, new) = (app(), stub(), stub());
    let body = json!({ "name": "Headers", "url": old.url("/modern"), "authMode": "server_token", "serverToken": "t-1",
                       "credentialHeaders": [{ "name": "X-Own", "value": "{token}" },
                                             { "name": "X-Fixed", "value": "canary-fixed" }] });
    let id = create(&app, body).await;
    assert!(sent_to(&old).contains("x-fixed") && sent_to(&old).contains("x-own"));
    patched(&app, &id, json!({ "url": new.url("/modern"), "serverToken": "t-2" })).await;
    assert!(sent_to(&new).contains("x-own") && !sent_to(&new).contains("x-fixed"), "{}", sent_to(&new));
}

#[tokio::test]
async fn a_client_secret_belongs_to_its_authorization_server() {
    let app = app();
    let base = json!({ "issuer": "https://login.example.com", "clientId": "c1",
                       "authorizationUrl": "https://login.example.com/authorize",
                       "tokenUrl": "https://login.example.com/token" });
    let with = |changes: Value| {
        let mut oauth = base.clone();
        for (name, value) in changes.as_object().unwrap() {
            oauth[name] = value.clone();
        }
        oauth
    };
    let mut body = json!({ "name": "Client", "url": "http://127.0.0.1:1/mcp", "authMode": "oauth" });
    body["oauth"] = with(json!({ "clientSecret": "canary-secret" }));
    let id = create(&app, body).await;
    let put = async |oauth: Value| app.admin(Method::PUT, &format!("{BASE}/{id}/oauth"), oauth).await;
    for (change, is_kept) in [
        (json!({ "tokenUrl": "https://login.example.com/other" }), true),
        (json!({ "scopes": ["read"] }), true),
        (json!({ "tokenUrl": "https://evil.example.com/token" }), false),
        (json!({ "tokenUrl": null }), false),
        (json!({ "authorizationUrl": "https://evil.example.com/authorize" }), false),
        (json!({ "issuer": "https://evil.example.com" }), false),
        (json!({ "issuer": null }), false),
        (json!({ "issuer": "https://evil.example.com", "clientSecret": "canary-other" }), true),
    ] {
        put(with(json!({ "clientSecret": "canary-secret" }))).await;
        let changed = put(with(change.clone())).await.json();
        assert_eq!(changed["oauth"]["clientSecretConfigured"], is_kept, "{change}: {changed}");
        // PATCH follows the same rule.
        patched(&app, &id, json!({ "oauth": with(json!({ "clientSecret": "canary-secret" })) })).await;
        let changed = patched(&app, &id, json!({ "oauth": with(change.clone()) })).await;
        assert_eq!(changed["oauth"]["clientSecretConfigured"], is_kept, "{change}: {changed}");
    }
    // Where the MCP server names its authorization server, another MCP server may name another one.
    for (oauth, is_kept) in [(base.clone(), true), (json!({ "clientId": "c1" }), false)] {
        let mut oauth = oauth;
        oauth["clientSecret"] = json!("canary-secret");
        patched(&app, &id, json!({ "url": "http://127.0.0.1:1/mcp", "oauth": oauth })).await;
        let moved = patched(&app, &id, json!({ "url": "http://127.0.0.1:2/mcp" })).await;
        assert_eq!(moved["oauth"]["clientSecretConfigured"], is_kept, "{moved}");
    }
}

#[tokio::test]
async fn what_was_approved_at_one_server_is_offered_at_another_only_once_it_was_found_there() {
    let (app, old, new) = (app(), stub(), stub());
    let id =
        create(&app, json!({ "name": "Moving", "url": old.url("/modern"), "toolPolicy": "review" })).await;
    let tools = async |status: &str| -> Vec<String> {
        let path = format!("{BASE}/{id}/tools?limit=200&status={status}");
        let found = app.admin(Method::GET, &path, None).await.json()["items"].clone();
        found.as_array().unwrap().iter().map(|tool| tool["id"].as_str().unwrap().to_owned()).collect()
    };
    let found = tools("new").await;
    let (last, rest) = found.split_last().unwrap();
    for tool in rest {
        app.admin(Method::POST, &format!("{BASE}/{id}/tools/{tool}/approve"), None).await;
    }
    app.admin(Method::POST, &format!("{BASE}/{id}/tools/{last}/reject"), None).await;
    new.remove_tool("echo");
    let reply = app.admin(Method::PATCH, &format!("{BASE}/{id}"), json!({ "url": new.url("/modern") })).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(tools("approved").await, Vec::<String>::new(), "nothing is known about the new server yet");
    app.settle().await;
    assert_eq!(tools("approved").await.len(), rest.len() - 1, "all but echo are the same as approved");
    assert_eq!((tools("removed").await.len(), tools("rejected").await), (1, vec![last.clone()]));
}

#[tokio::test]
async fn a_users_wrong_token_says_nothing_about_the_integration() {
    let app = app();
    let stub =
        Stub::start(Options { require_bearer: Some("right".to_owned()), ..Options::default() }).unwrap();
    let body = json!({ "name": "Theirs", "url": stub.url("/modern"), "authMode": "user_token" });
    let id = create(&app, body).await;
    let before = integration(&app, &id).await;
    assert_eq!(before["validationStatus"], "valid", "{before}");
    let (ann, bob) = (app.key("ann", &["user"], None).await, app.key("bob", &["user"], None).await);
    let root = app.key("root", &["admin"], None).await;
    let by_root = async |path: &str| app.send(Method::GET, path, &[("x-api-key", &root)], "").await.json();
    connect(&app, &ann, &id, "right").await;
    assert!(is_connected(&app, &ann, &id).await);
    let known = by_root(&format!("{BASE}/{id}")).await;
    for attempt in 1..=3 {
        connect(&app, &bob, &id, &format!("wrong-{attempt}")).await;
        assert!(!is_connected(&app, &bob, &id).await, "attempt {attempt}");
        assert_eq!(by_root(&format!("{BASE}/{id}")).await, known, "attempt {attempt}");
        let status = by_root("/integrations/theirs/status").await;
        assert_eq!((&status["status"], status.get("last_error")), (&json!("running"), None), "{status}");
    }
    assert!(is_connected(&app, &ann, &id).await, "another user's connection is not touched");
    connect(&app, &bob, &id, "right").await;
    assert!(is_connected(&app, &bob, &id).await);
}

#[tokio::test]
async fn the_organizations_credential_decides_how_the_integration_is() {
    let app = app();
    let stub =
        Stub::start(Options { require_bearer: Some("right".to_owned()), ..Options::default() }).unwrap();
    let body = json!({ "name": "Org", "url": stub.url("/modern"), "authMode": "server_token", "serverToken": "wrong" });
    let id = create(&app, body).await;
    assert_eq!(integration(&app, &id).await["validationStatus"], "invalid");
    patched(&app, &id, json!({ "serverToken": "right" })).await;
    assert_eq!(integration(&app, &id).await["validationStatus"], "valid");
}

#[tokio::test]
async fn users_credentials_go_when_the_organization_becomes_the_client() {
    let app = app();
    let id =
        create(&app, json!({ "name": "Grants", "url": "http://127.0.0.1:1/mcp", "authMode": "oauth" })).await;
    assert!(integration(&app, &id).await["userConnection"].is_object());
    let oauth =
        json!({ "grant": "client_credentials", "clientId": "c", "tokenUrl": "http://127.0.0.1:1/token" });
    let changed = patched(&app, &id, json!({ "oauth": oauth })).await;
    assert_eq!(changed.get("userConnection"), None, "nobody brings a credential of their own: {changed}");
}
