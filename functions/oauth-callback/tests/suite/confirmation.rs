//! A sign-in that was begun through an API ends with the confirmation of the person who signed in.

use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use native::{App, Reply};
use postern_core::model::integration::AuthMode;
use postern_core::oauth::confirmation::purge;
use postern_core::oauth::ticket;
use postern_core::store::credentials::{Confirmation, TokenTimes, put_confirmed_tokens};
use postern_core::store::integrations::{NOBODY, find};
use postern_core::store::unconfirmed_grants;
use postern_core::vault;
use serde_json::{Value, json};

use crate::hostile::web::{ISSUER, UPSTREAM, Web, postern};
use crate::person::{ORIGIN, come_back, cookie, grant, parameter, press};

const CONFIRM: &str = "/oauth/confirm";
const CANCEL: &str = "/oauth/cancel";

/// A Postern, an integration, and a user of it.
struct World {
    app: App,
    web: Rc<Web>,
    id: String,
    user: String,
}

impl World {
    async fn new() -> Self {
        let (app, web) = postern();
        let id =
            app.place("Mail <box>", &format!("https://{UPSTREAM}/mcp?key=canary"), AuthMode::Oauth).await.id;
        let user = app.key("alice", &["admin"], None).await;
        Self { app, web, id, user }
    }

    async fn init(&self) -> Value {
        let bearer = format!("Bearer {}", self.user);
        let path = format!("/mcp/integrations/{}/oauth/init", self.id);
        let started = self.app.send(Method::POST, &path, &[("authorization", &bearer)], "").await;
        assert_eq!(started.status, StatusCode::OK, "{}", started.text);
        started.json()
    }

    /// The page on which a sign-in ends.
    async fn page(&self) -> Reply {
        let page = come_back(&self.app, &self.init().await).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        page
    }

    fn count(&self, table: &str) -> usize {
        usize::try_from(self.app.database.count(table)).unwrap()
    }

    /// Whether tokens were revoked since the last call.
    async fn revoked(&self) -> usize {
        self.app.settle().await;
        let mut asked = self.web.asked.borrow_mut();
        let count = asked.iter().filter(|url| **url == format!("{ISSUER}/revoke")).count();
        asked.clear();
        count
    }
}

fn refused(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.text);
    assert!(reply.text.contains("Not connected"), "{}", reply.text);
    assert!(reply.header("set-cookie").is_empty());
}

#[tokio::test]
async fn nothing_is_stored_before_the_person_confirms_who_gets_connected_to_what() {
    let world = World::new().await;
    let page = world.page().await;
    assert_eq!((world.count("credentials"), world.count("unconfirmed_grants")), (0, 1));
    for named in ["“alice”", "Mail &lt;box&gt;", UPSTREAM, "as.example.com"] {
        assert!(page.text.contains(named), "{named}: {}", page.text);
    }
    assert!(!page.text.contains("canary"), "{}", page.text);
    let attributes = page.header("set-cookie").split_once("; ").unwrap().1.to_owned();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure");
    let given = cookie(&page);
    assert!(given.starts_with(&format!("__Host-postern-confirm-{}=", &grant(&page)[..16])), "{given}");
    let secret = given.split_once('=').unwrap().1;
    assert!(secret.len() == 43 && !page.text.contains(secret), "the secret is on the page");
    let row = world.app.rows("SELECT secret_hash || sealed FROM unconfirmed_grants").await.unwrap();
    let row = row.into_iter().next().unwrap().read().text().unwrap();
    assert!(row.starts_with(&grant(&page)) && !row.contains(secret), "{row}");

    let done = press(&world.app, CONFIRM, &page, &given).await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::FOUND, "/oauth/connected"),
        "{}",
        done.text
    );
    assert_eq!((world.count("credentials"), world.count("unconfirmed_grants")), (1, 0));
    let owner = world.app.rows("SELECT owner FROM credentials").await.unwrap();
    assert_eq!(owner.into_iter().next().unwrap().read().text().unwrap(), world.app.subject("alice").await);
    assert_eq!(world.revoked().await, 0);

    // The last page says it again, in this browser only.
    let last = world.app.send(Method::GET, "/oauth/connected", &[("cookie", &cookie(&done))], "").await;
    for named in ["“alice” is connected to “Mail &lt;box&gt;”", UPSTREAM, "as.example.com"] {
        assert!(last.text.contains(named), "{named}: {}", last.text);
    }
    assert!(!last.text.contains("canary"), "{}", last.text);
    for other in ["", "__Host-postern-connected=forged", "__Host-postern-connected="] {
        let last = world.app.send(Method::GET, "/oauth/connected", &[("cookie", other)], "").await;
        assert!(last.status == StatusCode::OK && !last.text.contains("alice"), "{other}: {}", last.text);
    }
}

#[tokio::test]
async fn another_browsers_form_stores_nothing() {
    let world = World::new().await;
    let (page, other) = (world.page().await, world.page().await);
    let renamed = cookie(&other).replace(&grant(&other)[..16], &grant(&page)[..16]);
    for stolen in ["", &cookie(&other), &renamed, &format!("{}x", cookie(&page)), &cookie(&page)[10..]] {
        for path in [CONFIRM, CANCEL] {
            refused(&press(&world.app, path, &page, stolen).await);
        }
    }
    // The browser's own cookie, but the form of a page of another origin, or of no grant.
    let cookie_of_page = cookie(&page);
    for origin in ["https://evil.example", "null", "https://sub.postern.example.com"] {
        let headers = [("cookie", cookie_of_page.as_str()), ("origin", origin)];
        let foreign =
            world.app.send(Method::POST, CONFIRM, &headers, format!("grant={}", grant(&page))).await;
        assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{origin}");
    }
    for form in
        [String::new(), "grant=".to_owned(), format!("grant={}", grant(&other)), "grant=%00".to_owned()]
    {
        let headers = [("cookie", cookie_of_page.as_str()), ("origin", ORIGIN)];
        refused(&world.app.send(Method::POST, CONFIRM, &headers, form).await);
    }
    assert_eq!((world.count("credentials"), world.count("unconfirmed_grants")), (0, 2));
    assert_eq!(world.revoked().await, 0);
    // None of it disturbs the two browsers.
    for page in [&page, &other] {
        assert_eq!(press(&world.app, CONFIRM, page, &cookie(page)).await.status, StatusCode::FOUND);
    }
}

#[tokio::test]
async fn a_confirmation_works_once() {
    let world = World::new().await;
    let page = world.page().await;
    assert_eq!(press(&world.app, CONFIRM, &page, &cookie(&page)).await.status, StatusCode::FOUND);
    let connection = format!("/mcp/integrations/{}/oauth/connection", world.id);
    let bearer = format!("Bearer {}", world.user);
    let ended = world.app.send(Method::DELETE, &connection, &[("authorization", &bearer)], "").await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    for path in [CONFIRM, CANCEL] {
        refused(&press(&world.app, path, &page, &cookie(&page)).await);
    }
    refused(&world.app.send(Method::GET, "/oauth/callback?state=x&code=c", &[], "").await);
    assert_eq!(world.count("credentials"), 0);

    // Of forms that are sent at the same time one is accepted, and its tokens stay.
    let page = world.page().await;
    world.revoked().await;
    let given = cookie(&page);
    let presses = (0..5).map(|_| press(&world.app, CONFIRM, &page, &given));
    let accepted = futures_util::future::join_all(presses).await;
    assert_eq!(accepted.iter().filter(|reply| reply.status == StatusCode::FOUND).count(), 1);
    assert_eq!((world.count("credentials"), world.revoked().await), (1, 0));
}

/// Two requests that have both read the grant: the write itself decides which one stores a credential, and whether the grant
/// is still good by then.
#[tokio::test]
async fn of_two_confirmations_that_overlap_one_writes() {
    for (age, first, stored) in [(0, Confirmation::Stored, 1), (601, Confirmation::Dropped, 0)] {
        let world = World::new().await;
        let platform = &world.app.platform;
        let id = grant(&world.page().await);
        let integration = find(platform, NOBODY, &world.id).await.unwrap().unwrap();
        let mut read = Vec::new();
        for _ in 0..2 {
            let found = unconfirmed_grants::find(platform, &id).await.unwrap().unwrap();
            read.push(vault::seal_tokens(platform, &integration, &found.owner, &found.grant.set).unwrap());
        }
        world.app.clock.advance(Duration::from_secs(age));
        for (credential, expected) in read.iter().zip([first, Confirmation::Gone]) {
            let written =
                put_confirmed_tokens(platform, credential, TokenTimes::default(), &id).await.unwrap();
            assert_eq!(written, expected);
        }
        let rows = world.app.rows("SELECT id FROM credentials").await.unwrap();
        let ids: Vec<String> = rows.into_iter().map(|row| row.read().text().unwrap()).collect();
        assert_eq!(ids, read.iter().take(stored).map(|credential| credential.id.clone()).collect::<Vec<_>>());
        assert_eq!(world.count("unconfirmed_grants"), 0);
    }
}

#[tokio::test]
async fn a_confirmation_that_comes_too_late_stores_nothing() {
    let world = World::new().await;
    let page = world.page().await;
    world.app.clock.advance(Duration::from_secs(599));
    purge(&world.app.platform).await.unwrap();
    assert_eq!((world.count("unconfirmed_grants"), world.revoked().await), (1, 0));
    world.app.clock.advance(Duration::from_secs(2));
    refused(&press(&world.app, CONFIRM, &page, &cookie(&page)).await);
    assert_eq!(world.count("credentials"), 0);
    // The scheduled job deletes and revokes what nobody confirmed.
    purge(&world.app.platform).await.unwrap();
    assert_eq!((world.count("unconfirmed_grants"), world.revoked().await), (0, 1));
}

#[tokio::test]
async fn whoever_cancels_is_not_connected() {
    let world = World::new().await;
    let page = world.page().await;
    let cancelled = press(&world.app, CANCEL, &page, &cookie(&page)).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text);
    assert_eq!((world.count("credentials"), world.count("unconfirmed_grants")), (0, 0));
    assert_eq!(world.revoked().await, 1);
    refused(&press(&world.app, CONFIRM, &page, &cookie(&page)).await);
    assert_eq!(world.count("credentials"), 0);
}

#[tokio::test]
async fn an_integration_that_changed_before_the_confirmation_is_not_connected() {
    for (change, body) in [
        (Method::PATCH, json!({ "url": "https://elsewhere.example.com/mcp" })),
        (Method::PATCH, json!({ "url": format!("https://{UPSTREAM}/other") })),
        (Method::PATCH, json!({ "authMode": "none" })),
        (Method::DELETE, Value::Null),
    ] {
        let world = World::new().await;
        let page = world.page().await;
        let path = format!("/api/v1/integrations/{}", world.id);
        let headers = [("authorization", &*format!("Bearer {}", world.user))];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let changed = world.app.send(change, &path, &headers, text).await;
        assert!(changed.status.is_success(), "{body}: {}", changed.text);
        world.revoked().await;
        refused(&press(&world.app, CONFIRM, &page, &cookie(&page)).await);
        assert_eq!((world.count("credentials"), world.count("unconfirmed_grants")), (0, 0), "{body}");
        assert_eq!(world.revoked().await, 1, "{body}");
    }
}

#[tokio::test]
async fn a_user_whose_key_was_deleted_before_the_confirmation_is_not_connected() {
    let world = World::new().await;
    let page = world.page().await;
    world.app.rows("DELETE FROM api_keys WHERE name = 'alice' RETURNING id").await.unwrap();
    refused(&press(&world.app, CONFIRM, &page, &cookie(&page)).await);
    assert_eq!((world.count("credentials"), world.count("unconfirmed_grants")), (0, 0));
    assert_eq!(world.revoked().await, 1);
}

/// A sign-in that was begun on Postern's own page is bound to its browser, so it ends without another question.
#[tokio::test]
async fn a_sign_in_from_a_connect_link_ends_at_once_in_its_browser() {
    let world = World::new().await;
    let link = ticket::link(&world.app.platform, &world.id, &world.app.subject("alice").await).unwrap();
    let ticket = link.split_once("ticket=").unwrap().1;
    let pressed = world.app.send(Method::POST, "/oauth/connect", &[], format!("ticket={ticket}")).await;
    let url =
        pressed.text.split_once("<a href=\"").unwrap().1.split_once('"').unwrap().0.replace("&amp;", "&");
    let started = json!({ "authorizationUrl": url });
    let path = crate::person::callback(&started);
    let done = world.app.send(Method::GET, &path, &[("cookie", &cookie(&pressed))], "").await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::FOUND, "/oauth/connected"),
        "{}",
        done.text
    );
    assert_eq!((world.count("credentials"), world.count("unconfirmed_grants")), (1, 0));
    let last = world.app.send(Method::GET, "/oauth/connected", &[("cookie", &cookie(&done))], "").await;
    assert!(last.text.contains("“alice” is connected to “Mail &lt;box&gt;”"), "{}", last.text);
    assert!(parameter(&started, "redirect_uri").starts_with(&format!("{ORIGIN}/oauth/callback/")));
}
