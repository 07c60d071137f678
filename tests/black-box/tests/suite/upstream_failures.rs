//! Unusable upstreams in the registry: a validation in the Kontext dialect and a start in the Hoziron dialect say
//! what is wrong, in time, in Postern's words, and Postern follows no redirect.

mod neighbours;
mod sizes;

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use black_box::{Postern, Settings};
use serde_json::{Value, json};
use stub_upstream::Stub;
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    dialects::hoziron,
    fixtures,
    registry::{self, Hoziron},
};

/// How long an upstream may be silent in these tests.
const PATIENCE: Duration = Duration::from_secs(1);

async fn postern() -> Result<&'static Postern> {
    static POSTERN: OnceCell<Postern> = OnceCell::const_new();
    POSTERN
        .get_or_try_init(async || {
            let patience = PATIENCE.as_millis().to_string();
            fixtures::postern_with(Settings::new()?.with("UPSTREAM_TIMEOUT_MS", patience)).await
        })
        .await
}

/// Within this time Postern has to give up whatever an upstream does: far longer than it takes even on a busy machine.
const GIVEN_UP: Duration = Duration::from_mins(1);

/// Lets Postern probe the upstream in each dialect. Returns the message, which must be the same in both dialects
/// and contain `reason`.
async fn tried(name: &str, url: &str, reason: &str) -> Result<String> {
    let started = Instant::now();
    let kontext = validated(&format!("{name} kontext"), url).await.context("Kontext")?;
    ensure!(kontext.contains(reason), "Kontext: {kontext}");
    let hoziron = started_in_vain(&format!("{name}-hoziron"), url).await.context("Hoziron")?;
    ensure!(hoziron.contains(reason), "Hoziron: {hoziron}");
    ensure!(hoziron.contains(&kontext), "the dialects disagree: {kontext} / {hoziron}");
    ensure!(started.elapsed() < GIVEN_UP, "it took {:?}", started.elapsed());
    Ok(kontext)
}

/// Creates and validates an integration. Returns the message of the failure.
async fn validated(name: &str, url: &str) -> Result<String> {
    let postern = postern().await?;
    let created = postern.create(json!({"name": name, "url": url, "authMode": "none"})).await?;
    // The first probe, after the create, finds the same failure.
    let probed = registry::settled(postern, &created.id).await?.object;
    let validated = postern.validate(&created.id).await?.object;
    ensure!(probed["validationMessage"] == validated["validationMessage"], "{probed} / {validated}");
    ensure!(validated["validationStatus"] == "invalid", "{validated}");
    ensure!(validated["lastValidatedAt"].is_string(), "{validated}");
    ensure!(validated["consecutiveFailures"].as_u64() >= Some(2), "{validated}");
    // An unusable upstream's tools are not offered.
    let tools = fixtures::modern_tools(&postern.admin()?, &created.path()).await?;
    ensure!(tools.is_empty(), "{tools:?}");
    validated["validationMessage"].as_str().map(str::to_owned).context("no message")
}

/// Installs an integration and tries to start it. Returns the message of the failure.
async fn started_in_vain(id: &str, url: &str) -> Result<String> {
    let client = Hoziron::of(postern().await?)?;
    client.install(json!({"source": {"url": url}, "id": id})).await?;
    let message = hoziron(&client.act(id, "start").await?, "ProviderError")?;
    let item = client.item(id).await?.context("not listed")?;
    ensure!(item == json!({"id": id, "status": "stopped", "tools_count": 0}), "{item}");
    hoziron(&client.api.get(&format!("/integrations/{id}/tools")).await?, "InvalidState")?;
    hoziron(&client.act(id, "restart").await?, "ProviderError")?;
    client.stop(id).await?;
    let removed = client.api.delete(&format!("/integrations/{id}")).await?;
    ensure!(removed.status == 200, "{}", removed.text);
    Ok(message)
}

#[tokio::test]
async fn each_failure_of_an_upstream_has_its_message_in_both_dialects() -> Result<()> {
    let stub = fixtures::stub()?;
    let gone = fixtures::stub()?.url("/modern");
    let cases = [
        ("gone", gone, "cannot be reached"),
        ("hang", stub.url("/hang"), "did not answer in time"),
        ("500", stub.url("/status/500"), "HTTP 500"),
        ("503", stub.url("/status/503"), "HTTP 503"),
        ("404", stub.url("/no-such-endpoint"), "HTTP 404"),
        ("401", stub.url("/status/401"), "requires authorization (HTTP 401)"),
        ("403", stub.url("/status/403"), "requires authorization (HTTP 403)"),
        ("html", stub.url("/html"), "not MCP"),
        ("bad-json", stub.url("/bad-json"), "not MCP"),
        ("empty", stub.url("/status/200"), "not MCP"),
    ];
    let mut messages = BTreeSet::new();
    for (name, url, reason) in cases {
        let message = tried(name, &url, reason).await.with_context(|| name.to_owned())?;
        ensure!(!message.contains("127.0.0.1") && !message.contains("web page"), "{name}: {message}");
        messages.insert(message);
    }
    ensure!(messages.len() >= 7, "too many failures share a message: {messages:?}");
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_named_and_never_followed() -> Result<()> {
    let (stub, target) = (fixtures::stub()?, fixtures::stub()?);
    let here = target.url("/modern");
    for (name, to) in [
        ("here", here.as_str()),
        ("metadata", "http://169.254.169.254/latest/meta-data/"),
        ("root", "/modern"),
    ] {
        for status in [301, 302, 303, 307, 308] {
            stub.forget_requests();
            let url = stub.url(&format!("/redirect?status={status}&to={to}"));
            let message = tried(&format!("{name}-{status}"), &url, "redirect")
                .await
                .with_context(|| format!("{name} {status}"))?;
            ensure!(message.contains(&status.to_string()), "{message}");
            ensure!(!message.contains("169.254") && !message.contains(&here), "{message}");
            let strayed: Vec<_> =
                stub.requests().into_iter().filter(|r| !r.path.starts_with("/redirect")).collect();
            ensure!(strayed.is_empty(), "{name} {status}: {strayed:?}");
        }
    }
    ensure!(target.requests().is_empty(), "the redirect was followed");
    Ok(())
}

/// When a working upstream breaks, the integration says what is wrong and keeps its catalogue; a validation after
/// the repair makes it valid again.
#[tokio::test]
async fn an_upstream_that_breaks_keeps_its_catalogue_until_it_is_mended() -> Result<()> {
    let (postern, stub) = (postern().await?, fixtures::stub()?);
    let integration = postern.register("Breaking", &stub.url("/modern")).await?;
    for (status, reason) in [(500, "HTTP 500"), (401, "requires authorization"), (302, "redirect")] {
        stub.break_with(Some(status.try_into()?));
        let broken = postern.validate(&integration.id).await?.object;
        assert_eq!(broken["validationStatus"], "invalid", "{broken}");
        assert!(broken["validationMessage"].as_str().unwrap_or_default().contains(reason), "{broken}");
        assert_eq!(tools(postern, &integration.slug).await?, 7, "{reason}");
        stub.break_with(None);
        let mended = postern.validate(&integration.id).await?.object;
        assert_eq!(
            (&mended["validationStatus"], &mended["consecutiveFailures"]),
            (&json!("valid"), &json!(0))
        );
        registry::echo(&postern.admin()?, &integration.slug, reason).await?;
    }
    Ok(())
}

async fn tools(postern: &Postern, slug: &str) -> Result<usize> {
    Ok(Hoziron::of(postern)?.tools(slug).await?.len())
}

/// The `tools/list` requests that a stub received.
fn lists(stub: &Stub) -> usize {
    stub.requests().iter().filter(|request| request.rpc_method().as_deref() == Some("tools/list")).count()
}

/// The validation message of an integration.
fn message(object: &Value) -> &str {
    object["validationMessage"].as_str().unwrap_or_default()
}
