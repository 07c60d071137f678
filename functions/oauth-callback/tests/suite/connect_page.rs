//! The page behind a connect link: what it shows of user and upstream, and for how long.

use std::time::Duration;

use http::Method;
use native::App;
use postern_core::model::api_key::BOOTSTRAP_PRINCIPAL;
use postern_core::model::integration::AuthMode;
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::flow::{Start, begin};
use postern_core::oauth::ticket;
use postern_core::store::api_keys;
use serde_json::json;

use crate::hostile::web::postern as hostile_web;
use crate::person;

fn app() -> App {
    App::new(oauth_callback::families(), &[("PUBLIC_URL", "https://postern.test")])
}

/// Returns the path of a link for the user `subject` to connect to a new integration.
async fn link(app: &App, subject: &str) -> String {
    let url = "https://mcp.example.com/v1/mcp?api_key=canary";
    let integration = app.place("Tickets", url, AuthMode::Oauth).await;
    let link = ticket::link(&app.platform, &integration.id, subject).unwrap();
    link.strip_prefix("https://postern.test").unwrap().to_owned()
}

#[tokio::test]
async fn the_page_shows_origin_and_path_of_the_upstream_and_never_its_query() {
    let app = app();
    let path = link(&app, BOOTSTRAP_PRINCIPAL).await;
    let page = app.send(Method::GET, &path, &[], "").await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    assert!(page.text.contains("https://mcp.example.com/v1/mcp"), "{}", page.text);
    assert!(!page.text.contains("canary") && !page.text.contains("api_key"), "{}", page.text);
}

#[tokio::test]
async fn the_page_names_the_user_until_the_users_key_is_deleted() {
    let app = app();
    app.key("alice", &["admin"], None).await;
    let path = link(&app, &app.subject("alice").await).await;
    let page = app.send(Method::GET, &path, &[], "").await;
    assert!(page.status == 200 && page.text.contains("“alice”"), "{}", page.text);

    api_keys::delete(&app.platform, "alice").await.unwrap();
    app.key("alice", &["admin"], None).await;
    assert_eq!(app.send(Method::GET, &path, &[], "").await.status, 400);
    let ticket = path.split_once("ticket=").unwrap().1;
    let form = format!("ticket={ticket}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(app.send(Method::POST, "/oauth/connect", &headers, form).await.status, 400);
}

/// A link outlives the key of the agent that got it by nothing.
#[tokio::test]
async fn a_link_works_only_as_long_as_the_key_that_it_was_made_for() {
    let (app, web) = hostile_web();
    let integration = app.place("Keys", "https://upstream.example.com/mcp", AuthMode::Oauth).await;
    let open = async |subject: &str| {
        let link = ticket::link(&app.platform, &integration.id, subject).unwrap();
        let path = link.strip_prefix("https://postern.example.com").unwrap();
        let ticket = path.split_once("ticket=").unwrap().1;
        let shown = app.send(Method::GET, path, &[], "").await;
        let pressed = app.send(Method::POST, ticket::PATH, &[], format!("ticket={ticket}")).await;
        [shown, pressed].map(|reply| reply.status.as_u16())
    };
    app.key("stays", &["developer"], None).await;
    app.key("ends", &["developer"], Some(Duration::from_secs(60))).await;
    app.key("goes", &["developer"], None).await;
    let (stays, ends, goes) =
        (app.subject("stays").await, app.subject("ends").await, app.subject("goes").await);
    for subject in [&stays, &ends, &goes] {
        assert_eq!(open(subject).await, [200, 200], "{subject}");
    }
    app.clock.advance(Duration::from_secs(61));
    app.rows("DELETE FROM api_keys WHERE name = 'goes' RETURNING id").await.unwrap();
    let asked = web.asked.borrow().len();
    for subject in [ends.as_str(), &goes, "key:never", "organization", ""] {
        assert_eq!(open(subject).await, [400, 400], "{subject}");
    }
    assert_eq!(web.asked.borrow().len(), asked, "an authorization was begun");
    assert_eq!(open(&stays).await, [200, 200]);
}

/// A sign-in under way does not end in a credential for a user who is not there any more.
#[tokio::test]
async fn a_sign_in_for_a_deleted_key_stores_nothing() {
    let (app, web) = hostile_web();
    let integration = app.place("Deleted", "https://upstream.example.com/mcp", AuthMode::Oauth).await;
    app.key("leaver", &["developer"], None).await;
    let leaver = app.subject("leaver").await;
    let start = Start {
        integration: &integration,
        owner: &leaver,
        actor: &leaver,
        callback: CALLBACKS[0],
        return_url: None,
        browser: None,
    };
    let started = begin(&app.platform, &start).await.unwrap();
    let started = json!({ "authorizationUrl": started.authorization_url });
    app.rows("DELETE FROM api_keys RETURNING id").await.unwrap();
    let refused = person::come_back(&app, &started).await;
    assert_eq!(refused.status.as_u16(), 400, "{}", refused.text);
    assert_eq!(app.database.count("credentials") + app.database.count("unconfirmed_grants"), 0);
    assert!(!web.asked.borrow().iter().any(|url| url.ends_with("/token")), "the code was exchanged");
}
