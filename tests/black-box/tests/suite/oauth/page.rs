//! `/oauth/connect`: the page behind the link that an agent got, and the cookie that binds the sign-in to one
//! browser.

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration,
    api::{Answer, Api},
    oauth::{Browser, PUBLIC_URL, parameter},
};
use serde_json::json;

use super::{CONNECTED, World, arrived, events, is_page, link, whoami};
use crate::fixtures;
use crate::registry::path;

const PAGE: &str = "https://postern.test/oauth/connect";
const COOKIE: &str = "__Host-postern-connect";

/// An integration whose tools are known, and a user who has not connected it, with the ticket from their agent's link.
async fn ticket(name: &str) -> Result<(&'static World, Integration, Api, String)> {
    let world = World::shared().await?;
    let integration = world.integration(name, &world.provider.mcp(), json!({})).await?;
    let pioneer = world.user("pioneer").await?;
    world.connect_first(&pioneer, "pioneer", &integration).await?;
    let user = world.user("page reader").await?;
    let (_, link) = link(&user, &integration.slug, "whoami").await?;
    let ticket = parameter(&link, "ticket")?.context("no ticket")?;
    Ok((world, integration, user, ticket))
}

fn unescaped(text: &str) -> String {
    let pairs =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// The text between two marks.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Result<&'t str> {
    let rest = text.split_once(before).with_context(|| format!("no {before} in {text}"))?.1;
    Ok(rest.split_once(after).with_context(|| format!("no {after} in {rest}"))?.0)
}

/// Presses the page's button.
async fn press(browser: &Browser, ticket: &str) -> Result<Answer> {
    browser.submit(PAGE, &[("ticket", ticket)]).await
}

/// The URL to which the page after the button leads, by its refresh and by its link.
fn leads_to(answer: &Answer) -> Result<String> {
    let page = is_page(answer, 200)?;
    let refresh = unescaped(between(page, "http-equiv=\"refresh\" content=\"0;url=", "\"")?);
    let href = unescaped(between(page, "<a href=\"", "\"")?);
    ensure!(refresh == href, "{page}");
    Ok(href)
}

fn refused(answer: &Answer) -> Result<()> {
    is_page(answer, 400)?;
    ensure!(answer.header("set-cookie").is_empty(), "{:?}", answer.headers);
    Ok(())
}

#[tokio::test]
async fn the_page_shows_what_is_connected_before_a_sign_in_starts() -> Result<()> {
    let name = "Read \"<b>me</b>\" & 'more'";
    let (world, integration, user, ticket) = ticket(name).await?;
    let browser = world.browser("reader")?;
    let flows = async || {
        let sql = "SELECT count(*) AS n FROM oauth_flows WHERE integration_id = ?1";
        anyhow::Ok(world.postern.sql(sql, json!([integration.id])).await?[0]["n"].clone())
    };
    let shown = browser.open(&format!("{PAGE}?ticket={ticket}")).await?;
    let page = is_page(&shown, 200)?;
    assert!(shown.header("set-cookie").is_empty(), "{:?}", shown.headers);
    assert!(!page.contains("<b>me"), "{page}");
    let text = unescaped(page);
    assert!(text.contains(name) && text.contains(&world.provider.mcp()), "{text}");
    let form = between(page, "<form ", "</form>")?;
    assert!(form.contains("method=\"post\"") && form.contains("action=\"/oauth/connect\""), "{form}");
    assert_eq!(between(form, "name=\"ticket\" value=\"", "\"")?, ticket);
    assert!(shown.header("content-security-policy").contains("form-action 'self'"), "{:?}", shown.headers);
    assert_eq!(flows().await?, 0, "opening the page starts no sign-in");

    let pressed = press(&browser, &ticket).await?;
    let url = leads_to(&pressed)?;
    assert_eq!(flows().await?, 1);
    assert!(url.starts_with(&format!("{}/auth?", world.provider.issuer)), "{url}");
    let cookie = pressed.header("set-cookie");
    let mut attributes = cookie.split("; ");
    let value = attributes.next().and_then(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='));
    assert!(value.is_some_and(super::is_256_bits), "{cookie}");
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax", "Secure"]);

    let back = browser.consent(&url).await?;
    arrived(&browser.open(&back).await?, CONNECTED)?;
    fixtures::seen(&world.postern, "the connection is used", async || {
        Ok(whoami(&user, &integration.slug).await.ok().filter(|me| me["sub"] == "reader"))
    })
    .await?;
    let owners = events(&world.postern, &integration).await?;
    let (first, last) = (owners.first().context("no event")?, owners.last().context("no event")?);
    assert_eq!((last.0.as_str(), first.1 == last.1), ("connect_completed", false), "{owners:?}");
    Ok(())
}

/// A link that is passed on never connects one person's account to another person's user.
#[tokio::test]
async fn only_the_browser_that_pressed_the_button_can_finish() -> Result<()> {
    let (world, integration, user, ticket) = ticket("Bound").await?;
    for thief in ["none", "other", "forged"] {
        let (browser, other) = (world.browser("victim")?, world.browser("victim")?);
        let url = leads_to(&press(&browser, &ticket).await?)?;
        let back = browser.consent(&url).await?;
        let refusal = match thief {
            "none" => other.open(&back).await?,
            "other" => {
                // The other browser has a cookie, of an authorization of its own.
                leads_to(&press(&other, &ticket).await?)?;
                other.open(&back).await?
            }
            _ => {
                let path = back.strip_prefix(PUBLIC_URL).context("elsewhere")?;
                let request = world.postern.stranger()?.request("GET".parse()?, path);
                Answer::of(request.header("cookie", format!("{COOKIE}=; {COOKIE}x=y; x{COOKIE}=z"))).await?
            }
        };
        refused(&refusal).with_context(|| thief.to_owned())?;
        // The failed attempt has used the state up.
        refused(&browser.open(&back).await?).with_context(|| format!("after {thief}"))?;
    }
    let connection = format!("/mcp/integrations/{}/oauth/connection", integration.id);
    assert_eq!(user.get(&connection).await?.expect(200)?["connected"], false);
    // Two authorizations at once in two browsers do not disturb each other.
    let (one, two) = (world.browser("one")?, world.browser("two")?);
    let first = one.consent(&leads_to(&press(&one, &ticket).await?)?).await?;
    let second = two.consent(&leads_to(&press(&two, &ticket).await?)?).await?;
    arrived(&one.open(&first).await?, CONNECTED)?;
    arrived(&two.open(&second).await?, CONNECTED)?;
    Ok(())
}

#[tokio::test]
async fn tickets_that_are_not_valid_are_refused() -> Result<()> {
    let (world, integration, _, ticket) = ticket("Tickets").await?;
    let browser = world.browser("anybody")?;
    let mut swapped: Vec<char> = ticket.chars().collect();
    let middle = swapped.len() / 2;
    swapped[middle] = if swapped[middle] == 'A' { 'B' } else { 'A' };
    let swapped: String = swapped.into_iter().collect();
    let shortened = ticket.get(..ticket.len() - 1).context("empty")?;
    let long = "x".repeat(6000);
    for bad in ["", "canary", swapped.as_str(), shortened, "<script>canary</script>", long.as_str()] {
        let mut url: reqwest::Url = PAGE.parse()?;
        url.query_pairs_mut().append_pair("ticket", bad);
        let shown = browser.open(url.as_str()).await?;
        refused(&shown).with_context(|| bad.to_owned())?;
        ensure!(!shown.text.contains("canary"), "{}", shown.text);
        refused(&press(&browser, bad).await?).with_context(|| bad.to_owned())?;
    }
    refused(&browser.open(PAGE).await?)?;
    refused(&browser.submit(PAGE, &[]).await?)?;

    // A page of another origin cannot press the button.
    let request = world.postern.stranger()?.request("POST".parse()?, "/oauth/connect");
    let request = request.header("origin", "https://evil.example");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let foreign = Answer::of(request.body(format!("ticket={ticket}"))).await?;
    assert_eq!(foreign.status, 403, "{}", foreign.text);
    assert!(foreign.header("set-cookie").is_empty());

    is_page(&browser.open(&format!("{PAGE}?ticket={ticket}")).await?, 200)?;
    world.admin()?.delete(&path(&integration.id, "")).await?.expect(204)?;
    refused(&browser.open(&format!("{PAGE}?ticket={ticket}")).await?).context("the integration is gone")?;
    refused(&press(&browser, &ticket).await?).context("the integration is gone")?;
    Ok(())
}
