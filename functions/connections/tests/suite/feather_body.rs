//! The one shape of a connect request: what is used, what is ignored, and what is stored.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

const CONNECTIONS: &str = "/v1/integrations/connections";
const CUSTOM: &str = "/v1/integrations/connections/custom-mcp";
/// The members of the answer that Feather documents.
const DOCUMENTED: [&str; 5] = ["authorize_url", "connection_id", "state", "status", "vendor"];

fn app() -> App {
    App::new(connections::families(), &[])
}

fn with(mut body: Value, members: &Value) -> Value {
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

async fn connected(app: &App, body: Value) -> Value {
    let reply = app.admin(Method::POST, CUSTOM, body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    app.settle().await;
    reply.json()
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}

/// Every field with its default, and null where there is none.
fn defaults(url: &str) -> Value {
    json!({
        "nickname": "Tickets", "server_url": url, "transport": "sse", "auth_type": "none", "token": null,
        "api_key": null, "api_key_header": "X-API-Key", "headers": {}, "oauth_authorize_url": null,
        "oauth_token_url": null, "oauth_client_id": null, "oauth_client_secret": null, "oauth_scopes": [],
    })
}

/// The credentials of all values of `auth_type` at once; those that are not chosen need not even be usable.
fn everything() -> Value {
    json!({
        "token": "canary-token", "api_key": "canary-key", "api_key_header": "Host",
        "oauth_authorize_url": "<string>", "oauth_token_url": "http://10.0.0.1/canary",
        "oauth_client_id": "canary-id", "oauth_client_secret": "canary secret", "oauth_scopes": ["<string>", ""],
    })
}

#[tokio::test]
async fn every_default_may_be_written_out_and_is_not_called_ignored() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    for (number, members) in [
        json!({}),
        json!({ "auth_type": null, "transport": null, "headers": null, "oauth_scopes": null }),
        json!({ "auth_type": "bearer", "token": "t" }),
        json!({ "auth_type": "api_key", "api_key": "k" }),
        json!({ "api_key_header": "x-api-key" }),
    ]
    .into_iter()
    .enumerate()
    {
        let body = with(defaults(&stub.url("/modern")), &members);
        let body = with(body, &json!({ "nickname": format!("Tickets {number}") }));
        let answer = connected(&app, body).await;
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), DOCUMENTED, "{answer}");
        assert_eq!((&answer["status"], &answer["authorize_url"]), (&json!("active"), &Value::Null));
    }
}

#[tokio::test]
async fn what_belongs_to_another_auth_type_is_ignored_named_and_not_stored() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let oauth =
        ["oauth_authorize_url", "oauth_token_url", "oauth_client_id", "oauth_client_secret", "oauth_scopes"];
    let key = ["api_key", "api_key_header"];
    for (auth_type, used, ignored, sent) in [
        (json!("none"), json!({}), [&["token"][..], &key, &oauth].concat(), [None, None]),
        (Value::Null, json!({}), [&["token"][..], &key, &oauth].concat(), [None, None]),
        (json!("bearer"), json!({ "token": "b-1" }), [&key[..], &oauth].concat(), [Some("Bearer b-1"), None]),
        (
            json!("api_key"),
            json!({ "api_key": "k-1", "api_key_header": "X-Key" }),
            [&["token"][..], &oauth].concat(),
            [None, Some("k-1")],
        ),
    ] {
        stub.forget_requests();
        let body = json!({ "nickname": format!("Of {auth_type}"), "server_url": stub.url("/modern") });
        let body = with(with(body, &everything()), &used);
        let answer = connected(&app, with(body, &json!({ "auth_type": auth_type }))).await;
        assert_eq!(answer["ignored_fields"], json!(ignored), "{auth_type}");
        let requests = stub.requests();
        assert!(!requests.is_empty());
        for request in requests {
            let headers = ["authorization", "x-key"].map(|name| request.header(name));
            assert_eq!(headers, sent, "{auth_type}");
            assert_ne!(request.header("host"), Some("canary-key"));
        }
    }
    // Credentials: one of `bearer`, one of `api_key`. No OAuth configuration, no client secret, no canary anywhere.
    assert_eq!(app.database.count("credentials"), 2);
    let rows = app
        .rows("SELECT count(*) FROM integrations WHERE oauth IS NOT NULL OR oauth_client_secret IS NOT NULL")
        .await
        .unwrap();
    let stored = rows.into_iter().next().unwrap().read().integer().unwrap();
    assert_eq!(stored, 0);
    let listed = app.admin(Method::GET, CONNECTIONS, None).await;
    assert!(!listed.text.contains("canary"), "{}", listed.text);
}

#[tokio::test]
async fn what_the_chosen_auth_type_needs_is_still_required_and_checked() {
    let app = app();
    let body =
        || with(json!({ "nickname": "Tickets", "server_url": "https://mcp.example.com/" }), &everything());
    for (members, expected) in [
        (json!({ "auth_type": "bearer", "token": null }), "token is required with this auth_type"),
        (json!({ "auth_type": "api_key", "api_key": null }), "api_key is required with this auth_type"),
        (json!({ "auth_type": "api_key" }), "api_key_header must not set host"),
        (json!({ "auth_type": "oauth" }), "oauth_authorize_url must be an absolute https URL"),
        (json!({ "token": 7 }), "token: wrong type: expected a string"),
    ] {
        let body = with(body(), &json!({ "headers": { "X-A": "1" } }));
        let reply = app.admin(Method::POST, CUSTOM, with(body, &members)).await;
        assert_eq!((reply.status.as_u16(), message(&reply)), (400, expected.to_owned()));
    }
    assert_eq!(app.database.count("integrations"), 0);
}

#[tokio::test]
async fn every_spelling_of_a_transport_is_accepted() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    for transport in ["sse", "http", "streamable_http", "streamable-http", "streamableHttp", "auto"] {
        let body =
            json!({ "nickname": transport, "server_url": stub.url("/modern"), "transport": transport });
        connected(&app, body).await;
        let discover = json!({ "server_url": stub.url("/modern"), "transport": transport });
        let reply = app.admin(Method::POST, &format!("{CUSTOM}/discover"), discover).await;
        assert_eq!(reply.status, StatusCode::OK, "{transport}: {}", reply.text);
    }
    let body = json!({ "nickname": "Other", "server_url": stub.url("/modern"), "transport": "stdio" });
    assert_eq!(app.admin(Method::POST, CUSTOM, body).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn header_values_with_braces_are_sent_as_they_are() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    for (number, auth) in [
        json!({}),
        json!({ "auth_type": "bearer", "token": "t" }),
        json!({ "auth_type": "api_key", "api_key": "k" }),
    ]
    .into_iter()
    .enumerate()
    {
        stub.forget_requests();
        let headers = json!({ "X-A": "{token}", "X-B": "{\"tenant\":{\"id\":1}}", "X-C": "}}{{", "X-D": "{base64(a:b)}" });
        let body = json!({
            "nickname": format!("Braces {number}"), "server_url": stub.url("/modern"), "headers": headers,
        });
        connected(&app, with(body, &auth)).await;
        let requests = stub.requests();
        assert!(!requests.is_empty());
        for request in requests {
            for (name, value) in headers.as_object().unwrap() {
                assert_eq!(request.header(&name.to_lowercase()), value.as_str(), "{name} with {auth}");
            }
            let bearer = auth["token"].as_str().map(|token| format!("Bearer {token}"));
            assert_eq!(request.header("authorization"), bearer.as_deref());
        }
    }
}

#[tokio::test]
async fn refusals_are_in_the_words_of_this_dialect() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let body = json!({ "nickname": "Tickets", "server_url": stub.url("/modern") });
    connected(&app, body.clone()).await;
    let taken = app.admin(Method::POST, CUSTOM, body).await;
    assert_eq!(
        (taken.status.as_u16(), message(&taken)),
        (409, "a connection with this nickname already exists".to_owned())
    );
    for headers in [&[][..], &[("x-api-key", "pst_nonsense")]] {
        let stranger = app.send(Method::GET, CONNECTIONS, headers, "").await;
        let expected = "authentication required: send a valid API key in the header x-api-key";
        assert_eq!((stranger.status.as_u16(), message(&stranger)), (401, expected.to_owned()));
    }
    // A server that wants a credential: the explanation names this dialect's field.
    let guarded = json!({ "nickname": "Guarded", "server_url": stub.url("/guarded/plain/modern") });
    let id = connected(&app, guarded).await["connection_id"].as_str().unwrap().to_owned();
    let path = format!("{CONNECTIONS}/{id}");
    let shown = app.admin(Method::GET, &path, None).await.json();
    let lease = app.admin(Method::POST, &format!("{path}/test-lease"), None).await.json();
    for reason in [&shown["status_reason"], &lease["detail"]] {
        let reason = reason.as_str().unwrap();
        assert!(reason.contains("auth_type") && !reason.contains("authMode"), "{reason}");
    }
    assert_eq!(shown["status"], "error");
}
