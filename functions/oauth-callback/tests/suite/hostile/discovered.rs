//! URLs that an upstream or its authorization server names.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::json;

use super::corpus::sample;
use super::web::{ISSUER, Slot, UPSTREAM, Web, postern};
use crate::person;

/// Most hostile URLs of each class that a test tries.
const MOST: usize = 2;
/// A URL that may be requested, at a host that the simulated internet does not have.
const ELSEWHERE: &str = "https://elsewhere.example.com/x";

async fn integration(app: &App) -> String {
    let body = json!({ "name": "Upstream", "url": format!("https://{UPSTREAM}/mcp"), "authMode": "oauth" });
    let created = app.admin(Method::POST, "/api/v1/integrations", body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    created.json()["integration"]["id"].as_str().unwrap().to_owned()
}

async fn init(app: &App, id: &str) -> Reply {
    app.admin(Method::POST, &format!("/mcp/integrations/{id}/oauth/init"), json!({})).await
}

/// Starts, finishes and revokes a connection; returns the three statuses.
async fn round(app: &App, id: &str) -> [StatusCode; 3] {
    let started = init(app, id).await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.text);
    let finished = person::finish(app, &started.json()).await;
    app.settle().await;
    let ended = app.admin(Method::DELETE, &format!("/mcp/integrations/{id}/oauth/connection"), None).await;
    [started.status, finished.status, ended.status]
}

fn assert_nothing_strayed(web: &Web, about: &str) {
    assert!(web.strayed.borrow().is_empty(), "{about}: {:?} was dialled", web.strayed.borrow());
}

/// The undisturbed case, without a planted URL.
#[tokio::test]
async fn an_honest_internet_connects() {
    let (app, web) = postern();
    let id = integration(&app).await;
    assert_eq!(round(&app, &id).await, [StatusCode::OK, StatusCode::FOUND, StatusCode::NO_CONTENT]);
    assert!(web.asked.borrow().iter().any(|url| *url == format!("{ISSUER}/revoke")), "{:?}", web.asked);
    assert_nothing_strayed(&web, "an honest internet");
}

/// What the cache has may be lost at any time, so a cache that fails does not fail a sign-in.
#[tokio::test]
async fn a_sign_in_needs_no_cache() {
    let (app, _web) = postern();
    let id = integration(&app).await;
    app.kv.fail();
    assert_eq!(round(&app, &id).await, [StatusCode::OK, StatusCode::FOUND, StatusCode::NO_CONTENT]);
}

/// Postern uses the URL of every slot: a usable URL that is planted there is requested.
#[tokio::test]
async fn a_usable_url_is_used_in_every_slot() {
    for slot in [Slot::Challenge, Slot::Issuer, Slot::Registration, Slot::Token, Slot::Revocation] {
        let (app, web) = postern();
        let id = integration(&app).await;
        assert!(web.plant(slot, ELSEWHERE));
        match slot {
            Slot::Token => assert_eq!(round(&app, &id).await[1], StatusCode::BAD_REQUEST),
            Slot::Revocation => assert_eq!(round(&app, &id).await[2], StatusCode::NO_CONTENT),
            _ => assert_eq!(init(&app, &id).await.status, StatusCode::BAD_GATEWAY),
        }
        let strayed = web.strayed.borrow();
        assert!(strayed.iter().any(|url| url.starts_with("https://elsewhere.example.com/")), "{slot:?}");
    }
    let (app, web) = postern();
    let id = integration(&app).await;
    assert!(web.plant(Slot::Authorization, ELSEWHERE));
    let started = init(&app, &id).await.json();
    assert!(started["authorizationUrl"].as_str().unwrap().starts_with(ELSEWHERE), "{started}");
}

#[tokio::test]
async fn a_hostile_url_in_metadata_starts_no_authorization() {
    let slots = [Slot::Challenge, Slot::Issuer, Slot::Authorization, Slot::Token, Slot::Registration];
    for slot in slots {
        let (app, web) = postern();
        let id = integration(&app).await;
        let mut tried = 0;
        for form in sample(MOST) {
            if !web.plant(slot, &form.url) {
                continue;
            }
            tried += 1;
            let refused = init(&app, &id).await;
            assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{slot:?} {form:?}: {}", refused.text);
            assert!(refused.json()["authorizationUrl"].is_null(), "{slot:?} {form:?}");
            assert_nothing_strayed(&web, &format!("{slot:?} {form:?}"));
        }
        assert!(tried >= 30, "{slot:?}: {tried}");
        println!("{slot:?}: {tried} forms");
        assert_eq!(app.database.count("oauth_flows"), 0, "{slot:?}");
        assert_eq!(app.database.count("credentials"), 0, "{slot:?}");
    }
}

#[tokio::test]
async fn a_hostile_revocation_endpoint_gets_no_token() {
    let (app, web) = postern();
    let id = integration(&app).await;
    let forms = sample(MOST);
    assert!(forms.len() >= 30);
    for form in forms {
        web.plant(Slot::Revocation, &form.url);
        let went = round(&app, &id).await;
        assert_eq!(went, [StatusCode::OK, StatusCode::FOUND, StatusCode::NO_CONTENT], "{form:?}");
        assert_nothing_strayed(&web, &format!("{form:?}"));
    }
    assert_eq!(app.database.count("credentials"), 0);
}

/// Feather's discovery returns an endpoint only if it may be requested.
#[tokio::test]
async fn discovery_returns_no_hostile_endpoint() {
    for (slot, field) in [
        (Slot::Authorization, "authorize_url"),
        (Slot::Token, "token_url"),
        (Slot::Registration, "supports_dcr"),
        (Slot::Challenge, "authorize_url"),
        (Slot::Issuer, "authorize_url"),
    ] {
        let (app, web) = postern();
        let body = json!({ "server_url": format!("https://{UPSTREAM}/mcp") });
        let path = "/v1/integrations/connections/custom-mcp/discover";
        let honest = app.admin(Method::POST, path, body.clone()).await.json();
        let found = &honest[field];
        assert!(
            found == &json!(true) || found.as_str().is_some_and(|url| url.starts_with(ISSUER)),
            "{honest}"
        );
        for form in sample(MOST) {
            if !web.plant(slot, &form.url) {
                continue;
            }
            let answer = app.admin(Method::POST, path, body.clone()).await;
            assert_eq!(answer.status, StatusCode::OK, "{form:?}: {}", answer.text);
            let field = &answer.json()[field];
            assert!(field.is_null() || field == &json!(false), "{slot:?} {form:?}: {}", answer.text);
            assert_nothing_strayed(&web, &format!("{slot:?} {form:?}"));
        }
    }
}
