//! The whole sign-in in a real browser: from an agent's link to the page that says what is connected, and the refusals on
//! the way. The pages' own policies are tested by what Chromium reports.

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration,
    api::Api,
    chromium::{Chromium, Person, View},
    eventually,
    oauth::PUBLIC_URL,
};
use serde_json::json;
use tokio::sync::OnceCell;

use super::{CONNECTED, World, events, init, link, text, whoami};
use crate::fixtures;

const CONNECT: &str = "https://postern.test/oauth/connect";
const CALLBACK: &str = "/oauth/callback";
/// What a page must not run, load or send: a script, an image, and a form for another origin.
const HOSTILE: &str = "<script>document.title = 'a script ran'</script><img src=\"https://evil.example/x.png\">\
                       <form method=\"post\" action=\"https://evil.example/\"><button>Send away</button></form>";

/// A Postern, an authorization server whose pages ask people to sign in and to consent, and a browser.
struct Place {
    world: World,
    chromium: Chromium,
}

/// A user who has not connected an integration, with the link that their agent got.
struct Reader {
    integration: Integration,
    api: Api,
    link: String,
}

impl Place {
    async fn shared() -> Result<&'static Self> {
        static PLACE: OnceCell<Place> = OnceCell::const_new();
        PLACE
            .get_or_try_init(async || {
                let world = World::new(json!({"pages": true})).await?;
                let chromium = Chromium::start(&world.postern.url("")).await?;
                Ok(Self { world, chromium })
            })
            .await
    }

    /// A reader of a new integration, whose tools are known because another user has connected.
    async fn reader(&self, name: &str) -> Result<Reader> {
        let integration = self.world.integration(name, &self.world.provider.mcp(), json!({})).await?;
        let pioneer = self.world.user("pioneer").await?;
        self.world.connect_first(&pioneer, "pioneer", &integration).await?;
        let api = self.world.user("reader").await?;
        let link = link(&api, &integration.slug, "whoami").await?.1;
        Ok(Reader { integration, api, link })
    }

    /// Opens a link, presses the button and signs in as `account`. Returns the page that asks for consent.
    async fn sign_in(&self, person: &Person<'_>, link: &str, account: &str) -> Result<View> {
        person.open(link).await?;
        let page = person.press("Connect", "Sign-in").await?;
        ensure!(page.url.starts_with(&self.world.provider.issuer), "{page:?}");
        ensure!(page.referrer.is_empty(), "the ticket may have left Postern: {page:?}");
        person.fill("login", account).await?;
        person.fill("password", "any").await?;
        person.press("Sign-in", "Authorize").await
    }

    /// Opens an authorization URL, signs in and consents. Returns the page that Postern's callback shows.
    async fn consent(&self, person: &Person<'_>, url: &str, account: &str) -> Result<View> {
        person.open(url).await?;
        person.fill("login", account).await?;
        person.fill("password", "any").await?;
        person.press("Sign-in", "Authorize").await?;
        person.press("Continue", "Confirm").await
    }

    /// What the form names the one grant by that waits for its confirmation.
    async fn grant(&self, reader: &Reader) -> Result<String> {
        let sql = "SELECT secret_hash FROM unconfirmed_grants WHERE integration_id = ?1";
        let rows = self.world.postern.sql(sql, json!([reader.integration.id])).await?;
        ensure!(rows.len() == 1, "{rows:?}");
        Ok(text(&rows[0], "secret_hash")?.to_owned())
    }

    /// Signs in and consents in a browser from which the callback does not reach Postern. Returns the callback's URL.
    async fn kept(&self, person: &Person<'_>, link: &str) -> Result<String> {
        person.keep(Some(CALLBACK)).await?;
        self.sign_in(person, link, "kept").await?;
        let page = person.press("Continue", "Kept").await?;
        person.keep(None).await?;
        Ok(page.url)
    }

    async fn is_connected(&self, reader: &Reader) -> Result<bool> {
        let place = format!("/mcp/integrations/{}/oauth/connection", reader.integration.id);
        let connection = reader.api.get(&place).await?.expect(200)?;
        connection["connected"].as_bool().with_context(|| connection.to_string())
    }
}

/// Checks that a page is a refusal that its browser shows without complaint.
fn refused(page: &View) -> Result<()> {
    ensure!((page.status, page.heading.as_str()) == (Some(400), "Not connected"), "{page:?}");
    unreported(page)
}

/// Checks that the browser has reported nothing about Postern's pages.
fn unreported(page: &View) -> Result<()> {
    ensure!(page.reports.is_empty(), "{:?}", page.reports);
    Ok(())
}

#[tokio::test]
async fn from_the_agents_link_to_the_connected_page() -> Result<()> {
    let place = Place::shared().await?;
    let reader = place.reader("Real browser").await?;
    let person = place.chromium.person("whole");
    let page = person.open(&reader.link).await?;
    assert_eq!((page.status, page.title.as_str()), (Some(200), "Connect"), "{page:?}");
    ensure!(
        ["reader", "Real browser", &place.world.provider.mcp()].iter().all(|named| page.text.contains(named)),
        "{page:?}"
    );

    let page = place.sign_in(&person, &reader.link, "alice").await?;
    let pressed = page.requests.iter().find(|request| request.method == "POST").context("no POST")?;
    assert_eq!((pressed.status, pressed.origin.as_deref()), (Some(200), Some(PUBLIC_URL)), "{pressed:?}");
    ensure!(!place.is_connected(&reader).await?, "connected before the consent");

    let page = person.press("Continue", "Connected").await?;
    assert_eq!(page.status, Some(200), "{page:?}");
    ensure!(page.url.starts_with(&format!("{PUBLIC_URL}{CONNECTED}")), "{page:?}");
    let returned = page.requests.iter().find(|request| request.path.starts_with(CALLBACK));
    let returned = returned.context("no callback")?;
    let cookie = returned.cookie.as_deref().unwrap_or_default();
    ensure!(cookie.contains("__Host-postern-connect="), "no cookie: {returned:?}");
    ensure!(
        ["reader", "Real browser", &place.world.provider.mcp()].iter().all(|named| page.text.contains(named)),
        "the last page does not say who is connected to what: {page:?}"
    );
    unreported(&page)?;

    ensure!(place.is_connected(&reader).await?, "not connected");
    let me = fixtures::seen(&place.world.postern, "the connection is used", async || {
        Ok(whoami(&reader.api, &reader.integration.slug).await.ok())
    })
    .await?;
    assert_eq!(me["sub"], "alice", "{me}");

    // The callback's URL, which the browser's history has, works no second time.
    let again = format!("{PUBLIC_URL}{}", returned.path);
    refused(&person.open(&again).await?)?;
    refused(&place.chromium.person("whole-elsewhere").open(&again).await?)?;
    Ok(())
}

/// A sign-in that was begun through an API is bound to no browser: whoever is given its URL is asked first, and nobody can
/// answer for them.
#[tokio::test]
async fn a_sign_in_that_an_api_began_ends_on_a_page_that_asks() -> Result<()> {
    let place = Place::shared().await?;
    let reader = place.reader("Begun elsewhere").await?;
    let started = init(&reader.api, &reader.integration.id).await?;
    let url = text(&started, "authorizationUrl")?;
    let (person, thief) = (place.chromium.person("asked"), place.chromium.person("asked-elsewhere"));
    let asked = place.consent(&person, url, "bob").await?;
    assert_eq!((asked.status, asked.title.as_str()), (Some(200), "Confirm"), "{asked:?}");
    for named in ["reader", "Begun elsewhere", &place.world.provider.mcp(), "127.0.0.1"] {
        ensure!(asked.text.contains(named), "{named}: {asked:?}");
    }
    unreported(&asked)?;
    ensure!(!place.is_connected(&reader).await?, "connected before the confirmation");

    // Another browser has come back from a sign-in of its own; it sends the form of this one.
    let grant = place.grant(&reader).await?;
    let other = init(&reader.api, &reader.integration.id).await?;
    place.consent(&thief, text(&other, "authorizationUrl")?, "mallory").await?;
    let forged = format!(
        "<form method=\"post\" action=\"/oauth/confirm\"><input type=\"hidden\" name=\"grant\" value=\"{grant}\">\
         <button>Forged</button></form>"
    );
    thief.insert(Some(&forged)).await?;
    thief.open(&format!("{PUBLIC_URL}{CONNECTED}")).await?;
    refused(&thief.press("Forged", "Not connected").await?)?;
    ensure!(!place.is_connected(&reader).await?, "another browser has confirmed");

    let page = person.press("Connect", "Connected").await?;
    assert_eq!(page.status, Some(200), "{page:?}");
    ensure!(["reader", "Begun elsewhere"].iter().all(|named| page.text.contains(named)), "{page:?}");
    let pressed = page.requests.iter().find(|request| request.method == "POST").context("no POST")?;
    assert_eq!((pressed.status, pressed.origin.as_deref()), (Some(302), Some(PUBLIC_URL)), "{pressed:?}");
    unreported(&page)?;
    ensure!(place.is_connected(&reader).await?, "not connected");

    // Whoever cancels gives the access back.
    let started = init(&reader.api, &reader.integration.id).await?;
    let person = place.chromium.person("cancelling");
    place.consent(&person, text(&started, "authorizationUrl")?, "carol").await?;
    let page = person.press("Cancel", "Not connected").await?;
    assert_eq!(page.status, Some(200), "{page:?}");
    unreported(&page)
}

#[tokio::test]
async fn another_browser_cannot_finish() -> Result<()> {
    let place = Place::shared().await?;
    let reader = place.reader("Two browsers").await?;
    let (person, thief) = (place.chromium.person("first"), place.chromium.person("second"));
    let callback = place.kept(&person, &reader.link).await?;
    refused(&thief.open(&callback).await?)?;
    // The attempt has used the state up.
    refused(&person.open(&callback).await?)?;
    ensure!(!place.is_connected(&reader).await?, "connected");
    let kinds = events(&place.world.postern, &reader.integration).await?;
    let connected = kinds.iter().filter(|(kind, _)| kind == "connect_completed").count();
    assert_eq!(connected, 1, "the pioneer's alone: {kinds:?}");
    Ok(())
}

#[tokio::test]
async fn a_sign_in_that_took_too_long_is_refused() -> Result<()> {
    let place = Place::shared().await?;
    let reader = place.reader("Too late").await?;
    let person = place.chromium.person("late");
    let callback = place.kept(&person, &reader.link).await?;
    let sql = "UPDATE oauth_flows SET expires_at = 1 WHERE integration_id = ?1 RETURNING expires_at";
    assert_eq!(place.world.postern.sql(sql, json!([reader.integration.id])).await?.len(), 1);
    refused(&person.open(&callback).await?)?;
    ensure!(!place.is_connected(&reader).await?, "connected");
    Ok(())
}

#[tokio::test]
async fn a_person_who_refuses_is_told_so() -> Result<()> {
    let place = Place::shared().await?;
    let reader = place.reader("Refusing").await?;
    let person = place.chromium.person("refusing");
    place.sign_in(&person, &reader.link, "carol").await?;
    let page = person.press("[ Cancel ]", "Not connected").await?;
    refused(&page)?;
    ensure!(page.text.contains("access_denied"), "{page:?}");
    ensure!(!place.is_connected(&reader).await?, "connected");
    Ok(())
}

/// Chromium enforces the policies that the pages carry, also on markup that should never have been on them.
#[tokio::test]
async fn no_page_runs_loads_or_sends_what_was_slipped_into_it() -> Result<()> {
    let place = Place::shared().await?;
    let reader = place.reader("Policies").await?;
    for (name, url, title) in [
        ("connect page", reader.link.clone(), "Connect"),
        ("connected page", format!("{PUBLIC_URL}{CONNECTED}"), "Connected"),
        ("refusal", format!("{CONNECT}?ticket=forged"), "Not connected"),
    ] {
        let person = place.chromium.person(&name.replace(' ', "-"));
        let page = person.open(&url).await?;
        unreported(&page).context(name)?;
        assert_eq!(page.title, title);
        person.insert(Some(HOSTILE)).await?;
        let page = person.open(&url).await?;
        assert_eq!(page.title, title, "{name}: {page:?}");
        // A click that leads nowhere: the person stays on the page.
        person.press("Send away", title).await?;
        for directive in ["script-src-elem", "img-src", "form-action"] {
            let report = format!("{directive} refused");
            eventually(&format!("{name}: {report}"), async || {
                let page = person.look().await?;
                Ok(page.reports.iter().any(|reported| reported.contains(&report)).then_some(()))
            })
            .await?;
        }
    }
    Ok(())
}
