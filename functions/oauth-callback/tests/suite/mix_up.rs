//! Mix-up (RFC 9700 §4.4): a code goes to the token endpoint of the server that was asked, also where that server sends
//! no `iss`.

use http::{Method, StatusCode};
use native::{App, Reply};
use postern_core::model::oauth_client::{AuthMethod, OauthClient};
use postern_core::store::oauth_clients;
use serde_json::{Value, json};

use crate::hostile::web::{ISSUER, Slot, UPSTREAM, Web, postern};
use crate::person::{ORIGIN, callback, finish, parameter};

/// What [`ISSUER`] gives: the first 32 hex digits of its SHA-256.
const SEGMENT: &str = "84f862e2cbab3d0168474d8008fc18fa";
const ELSEWHERE: &str = "https://evil.example.net/token";

async fn place(app: &App, oauth: Value) -> String {
    let url = format!("https://{UPSTREAM}/mcp");
    let body = json!({ "name": oauth.to_string(), "url": url, "authMode": "oauth", "oauth": oauth });
    let created = app.admin(Method::POST, "/api/v1/integrations", body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    created.json()["integration"]["id"].as_str().unwrap().to_owned()
}

async fn init(app: &App, id: &str) -> Reply {
    app.admin(Method::POST, &format!("/mcp/integrations/{id}/oauth/init"), None).await
}

fn exchanges(web: &Web) -> usize {
    web.asked.borrow().iter().filter(|url| url.ends_with("/token")).count()
}

#[tokio::test]
async fn each_authorization_server_has_a_redirect_uri_of_its_own() {
    let (app, web) = postern();
    let id = place(&app, json!({})).await;
    let started = init(&app, &id).await.json();
    assert_eq!(parameter(&started, "redirect_uri"), format!("{ORIGIN}/oauth/callback/{SEGMENT}"));
    assert_eq!(finish(&app, &started).await.status, StatusCode::FOUND);

    // What comes back at another redirect URI, be it the one of another server, is not exchanged.
    let before = exchanges(&web);
    let other = SEGMENT.replace('8', "9");
    for path in [
        "/oauth/callback".to_owned(),
        format!("/oauth/callback/{other}"),
        format!("/oauth/callback/{SEGMENT}0"),
        format!("/oauth/callback/{}", SEGMENT.to_uppercase()),
        format!("/oauth/callback/{SEGMENT}/"),
        format!("/v1/integrations/oauth/callback/{SEGMENT}"),
        format!("/api/v1/admin/oauth/callback/{SEGMENT}"),
    ] {
        let started = init(&app, &id).await.json();
        let right = callback(&started);
        let astray = right.replace(&format!("/oauth/callback/{SEGMENT}"), &path);
        let refused = app.send(Method::GET, &astray, &[], "").await;
        assert!(refused.status.is_client_error(), "{path}: {}", refused.text);
    }
    assert_eq!(exchanges(&web), before);
}

/// A client that an earlier version registered does not know the redirect URIs of today.
#[tokio::test]
async fn other_redirect_uris_lead_to_a_new_registration() {
    let (app, web) = postern();
    let former = OauthClient {
        client_id: "former".to_owned(),
        client_secret: None,
        auth_method: AuthMethod::None,
        registered: true,
    };
    oauth_clients::put(&app.platform, ISSUER, ORIGIN, &former, None).await.unwrap();
    let id = place(&app, json!({})).await;
    for _ in 0..2 {
        assert_eq!(parameter(&init(&app, &id).await.json(), "client_id"), "c");
    }
    let registrations = web.asked.borrow().iter().filter(|url| ends_in_register(url)).count();
    assert_eq!(registrations, 1);
}

fn ends_in_register(url: &str) -> bool {
    url == format!("{ISSUER}/register")
}

/// Metadata may name an honest authorization endpoint and a hostile token endpoint. Where the client's redirect URI is
/// one that all servers share, and nothing vouches for the token endpoint, no authorization begins.
#[tokio::test]
async fn a_shared_redirect_uri_wants_endpoints_that_something_vouches_for() {
    let client = json!({ "clientId": "by-hand" });
    let with = |members: Value| {
        let mut oauth = client.clone();
        for (name, value) in members.as_object().unwrap() {
            oauth[name] = value.clone();
        }
        oauth
    };
    let document = json!({ "client_id_metadata_document_supported": true });
    let iss = json!({ "authorization_response_iss_parameter_supported": true });
    let own = format!("/oauth/callback/{SEGMENT}");
    let at = "/oauth/callback";
    for (oauth, announced, token, expected) in [
        (client.clone(), json!({}), None, Some(at)),
        (client.clone(), json!({}), Some(ELSEWHERE), None),
        (client.clone(), json!({}), Some("https://token.as.example.com/token"), Some(at)),
        (client.clone(), iss.clone(), Some(ELSEWHERE), Some(at)),
        (with(json!({ "issuer": ISSUER })), json!({}), Some(ELSEWHERE), Some(at)),
        (with(json!({ "tokenUrl": ELSEWHERE })), json!({}), None, None),
        (
            with(json!({ "tokenUrl": ELSEWHERE, "authorizationUrl": format!("{ISSUER}/authorize") })),
            json!({}),
            None,
            Some(at),
        ),
        (with(json!({ "redirectPerIssuer": true })), json!({}), Some(ELSEWHERE), Some(own.as_str())),
        (json!({}), json!({}), Some(ELSEWHERE), Some(own.as_str())),
        (json!({}), document.clone(), None, Some(at)),
        (json!({}), document.clone(), Some(ELSEWHERE), None),
        (json!({ "issuer": ISSUER }), document.clone(), Some(ELSEWHERE), Some(at)),
    ] {
        let (app, web) = postern();
        let about = format!("{oauth} {announced} {token:?}");
        *web.announced.borrow_mut() = announced;
        if let Some(token) = token {
            assert!(web.plant(Slot::Token, token));
        }
        let id = place(&app, oauth).await;
        let started = init(&app, &id).await;
        if let Some(path) = expected {
            assert_eq!(started.status, StatusCode::OK, "{about}: {}", started.text);
            assert_eq!(parameter(&started.json(), "redirect_uri"), format!("{ORIGIN}{path}"), "{about}");
        } else {
            assert_eq!(started.status, StatusCode::BAD_GATEWAY, "{about}: {}", started.text);
            assert!(started.text.contains("oauth.issuer"), "{about}: {}", started.text);
            assert_eq!(app.database.count("oauth_flows"), 0, "{about}");
        }
    }
}

/// Without an issuer, the token endpoint tells servers apart.
#[tokio::test]
async fn endpoints_without_an_issuer_have_a_redirect_uri_of_their_own() {
    let (app, _web) = postern();
    let oauth = json!({
        "clientId": "by-hand", "redirectPerIssuer": true,
        "authorizationUrl": format!("{ISSUER}/authorize"), "tokenUrl": format!("{ISSUER}/token"),
    });
    let id = place(&app, oauth).await;
    let path = format!("/api/v1/integrations/{id}/oauth");
    assert_eq!(app.admin(Method::GET, &path, None).await.json()["oauth"]["redirectPerIssuer"], true);
    let started = init(&app, &id).await.json();
    let segment = &kernel::digest::sha256_hex(format!("{ISSUER}/token").as_bytes())[..32];
    assert_eq!(parameter(&started, "redirect_uri"), format!("{ORIGIN}/oauth/callback/{segment}"));
    assert_eq!(finish(&app, &started).await.status, StatusCode::FOUND);
}

/// Kontext's document shows `provider`, `issuer` and `scopes` in every answer.
#[tokio::test]
async fn the_configuration_shows_the_issuer_that_was_configured_or_discovered() {
    let (app, _web) = postern();
    let id = place(&app, json!({})).await;
    let path = format!("/api/v1/integrations/{id}");
    let shown = async || {
        let oauth = app.admin(Method::GET, &format!("{path}/oauth"), None).await.json()["oauth"].clone();
        let whole = app.admin(Method::GET, &path, None).await.json();
        assert_eq!(whole["integration"]["oauth"], oauth);
        assert!(["provider", "issuer", "scopes"].iter().all(|key| oauth.get(key).is_some()), "{oauth}");
        [oauth["provider"].clone(), oauth["issuer"].clone()]
    };
    let revision = async || {
        let row = app.rows("SELECT revision FROM integrations").await.unwrap().into_iter().next().unwrap();
        row.read().integer().unwrap()
    };
    assert_eq!(shown().await, [Value::Null, Value::Null]);
    let before = revision().await;
    assert_eq!(init(&app, &id).await.status, StatusCode::OK);
    assert_eq!(shown().await, [Value::Null, json!(ISSUER)]);
    assert_eq!(revision().await, before, "a discovery is no change of an operator's");

    let given = json!({ "provider": "mail", "issuer": "https://given.example.com" });
    let put = app.admin(Method::PUT, &format!("{path}/oauth"), given).await;
    assert_eq!(put.json()["oauth"]["issuer"], "https://given.example.com", "{}", put.text);
    assert_eq!(shown().await, [json!("mail"), json!("https://given.example.com")]);
    let put = app.admin(Method::PUT, &format!("{path}/oauth"), json!({})).await.json();
    assert_eq!((&put["oauth"]["provider"], &put["oauth"]["issuer"]), (&Value::Null, &json!(ISSUER)));
    let moved = json!({ "url": "https://elsewhere.example.com/mcp" });
    assert_eq!(app.admin(Method::PATCH, &path, moved).await.status, StatusCode::OK);
    assert_eq!(shown().await, [Value::Null, Value::Null]);
}
