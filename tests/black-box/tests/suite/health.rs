//! Health of an integration: how a probe tells an upstream that wants a credential from one that fails, after how
//! many failures the status is `error`, and what ends that status.

use anyhow::{Context as _, Result, ensure};
use black_box::{Integration, Postern, Upstream};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};
use tokio::sync::OnceCell;

use crate::{
    fixtures,
    registry::{self, Hoziron},
};

const REACHABLE: &str = "reachable, authorization required";

async fn postern() -> Result<&'static Postern> {
    static POSTERN: OnceCell<Postern> = OnceCell::const_new();
    POSTERN.get_or_try_init(fixtures::postern).await
}

/// Creates an integration, validates it, and returns its object.
async fn validated(name: &str, url: &str, members: Value) -> Result<Value> {
    let mut body = json!({"name": name, "url": url});
    for (member, value) in members.as_object().into_iter().flatten() {
        body[member] = value.clone();
    }
    let postern = postern().await?;
    let created = postern.create(body).await?;
    registry::settled(postern, &created.id).await?;
    Ok(postern.validate(&created.id).await?.object)
}

fn message(object: &Value) -> &str {
    object["validationMessage"].as_str().unwrap_or_default()
}

fn modes() -> [(&'static str, Value); 4] {
    [
        ("none", json!({"authMode": "none"})),
        ("user_token", json!({"authMode": "user_token"})),
        ("oauth", json!({"authMode": "oauth"})),
        ("server_token", json!({"authMode": "server_token", "serverToken": "wrong"})),
    ]
}

/// A 401 without OAuth metadata is fine where users bring credentials, and a failure in the other modes.
#[tokio::test]
async fn a_plain_401_is_fine_where_users_bring_their_credentials() -> Result<()> {
    let stub = Upstream::stub(Options { require_bearer: Some("right".into()), ..Options::default() })?;
    for path in ["/status/401", "/modern", "/legacy", "/guarded/plain/modern"] {
        for (mode, members) in modes() {
            let object = validated(&format!("Plain {path} {mode}"), &stub.url(path), members).await?;
            let fine = ["user_token", "oauth"].contains(&mode);
            let status = if fine { "valid" } else { "invalid" };
            ensure!(object["validationStatus"] == status, "{path} {mode}: {object}");
            ensure!(message(&object).starts_with(REACHABLE) == fine, "{path} {mode}: {object}");
            ensure!((object["consecutiveFailures"] == 0) == fine, "{path} {mode}: {object}");
        }
    }
    Ok(())
}

/// An upstream that announces OAuth as RFC 9728 says is reachable, in every mode in which Postern presents no token.
#[tokio::test]
async fn a_401_that_names_valid_metadata_is_fine() -> Result<()> {
    let stub = fixtures::stub()?;
    for (mode, members) in &modes()[..3] {
        let url = stub.url("/guarded/metadata/modern");
        let object = validated(&format!("Metadata {mode}"), &url, members.clone()).await?;
        ensure!(object["validationStatus"] == "valid", "{mode}: {object}");
        ensure!(message(&object).starts_with(REACHABLE), "{mode}: {object}");
    }
    // An announcement does not count if its document is missing, describes another resource or has a private address.
    for kind in ["foreign", "broken", "internal"] {
        let url = stub.url(&format!("/guarded/{kind}/modern"));
        let object = validated(&format!("Metadata {kind}"), &url, json!({"authMode": "none"})).await?;
        ensure!(object["validationStatus"] == "invalid", "{kind}: {object}");
        ensure!(message(&object).contains("authorization"), "{kind}: {object}");
        ensure!(!object.to_string().contains("169.254"), "{kind}: {object}");
    }
    Ok(())
}

/// A failure of the network or of the upstream is never taken for a missing credential.
#[tokio::test]
async fn a_failure_is_a_failure_also_where_users_bring_their_credentials() -> Result<()> {
    let stub = fixtures::stub()?;
    let gone = fixtures::stub()?.url("/modern");
    for (name, url, reason) in [
        ("gone", gone, "cannot be reached"),
        ("500", stub.url("/status/500"), "HTTP 500"),
        ("403", stub.url("/status/403"), "HTTP 403"),
        ("html", stub.url("/html"), "not MCP"),
    ] {
        for mode in ["user_token", "oauth"] {
            let object =
                validated(&format!("Failure {name} {mode}"), &url, json!({"authMode": mode})).await?;
            ensure!(object["validationStatus"] == "invalid", "{name} {mode}: {object}");
            ensure!(message(&object).contains(reason), "{name} {mode}: {object}");
        }
    }
    Ok(())
}

/// Makes one integration due, runs a tick, and returns the integration's object.
async fn tick(postern: &Postern, integration: &Integration) -> Result<Value> {
    let sql = "UPDATE integrations SET next_validation_at = 0, validation_lease_until = 0 WHERE id = ?1 RETURNING id";
    ensure!(postern.sql(sql, json!([integration.id])).await?.len() == 1);
    postern.tick().await?;
    Ok(postern.integration(&integration.id).await?.object)
}

#[tokio::test]
async fn three_failures_are_an_error_and_one_success_ends_it() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let client = Hoziron::of(&postern)?;
    let failing = postern.register("Failing", &stub.url("/modern")).await?;
    let healthy = fixtures::stub()?;
    let neighbour = postern.register("Neighbour", &healthy.url("/modern")).await?;
    for round in 0..2 {
        stub.break_with(Some(503.try_into()?));
        for failures in 1..=4_u64 {
            // A failed validation counts, whether it was on schedule or on request.
            let object = match failures {
                2 => postern.validate(&failing.id).await?.object,
                _ => tick(&postern, &failing).await?,
            };
            ensure!(object["consecutiveFailures"] == failures, "round {round}: {object}");
            ensure!(object["state"] == "running" && object["validationStatus"] == "invalid", "{object}");
            let (status, shown) =
                (client.status("failing").await?, if failures < 3 { "running" } else { "error" });
            ensure!(status["status"] == shown, "round {round}, {failures} failures: {status}");
            if failures >= 3 {
                ensure!(status["last_error"].as_str().unwrap_or_default().contains("HTTP 503"), "{status}");
                ensure!(status["pid"].is_u64() && status["tools_count"] == 7, "{status}");
            }
            let item = client.item("failing").await?.context("not listed")?;
            ensure!(item["status"] == shown, "round {round}, {failures} failures: {item}");
            ensure!(client.item("neighbour").await?.context("not listed")?["status"] == "running");
        }
        recovers(&postern, &client, &stub, &failing, round).await?;
    }
    ensure!(postern.integration(&neighbour.id).await?.object["consecutiveFailures"] == 0);
    Ok(())
}

/// One success ends the error: on schedule in the first round, by a restart in the second.
async fn recovers(
    postern: &Postern,
    client: &Hoziron,
    stub: &Stub,
    failing: &Integration,
    round: u8,
) -> Result<()> {
    // A failing integration's tools stay in the list.
    let tools = fixtures::modern_tools(&postern.admin()?, "/mcp").await?;
    ensure!(tools.contains("failing__echo"), "{tools:?}");
    stub.break_with(None);
    match round {
        0 => drop(tick(postern, failing).await?),
        _ => drop(client.run("failing", "restart").await?),
    }
    let status = client.status("failing").await?;
    ensure!(status["status"] == "running" && status.get("last_error").is_none(), "{status}");
    let object = postern.integration(&failing.id).await?.object;
    ensure!(object["consecutiveFailures"] == 0 && object["validationStatus"] == "valid", "{object}");
    Ok(())
}

/// An upstream that keeps failing is probed less and less often, but at least every two hours.
#[tokio::test]
async fn a_failing_upstream_is_probed_less_and_less_often() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let failing = postern.register("Failing", &stub.url("/modern")).await?;
    let pause = async || -> Result<i64> {
        let sql = "SELECT next_validation_at - last_validated_at AS pause FROM integrations WHERE id = ?1";
        let rows = postern.sql(sql, json!([failing.id])).await?;
        rows[0]["pause"].as_i64().context("no pause")
    };
    stub.break_with(Some(500.try_into()?));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        tick(&postern, &failing).await?;
        pauses.push(pause().await?);
    }
    ensure!(pauses[0] <= 120_000, "the first pause is long: {pauses:?}");
    ensure!(pauses[..6].is_sorted_by(|a, b| a * 3 < b * 2), "{pauses:?}");
    ensure!(
        pauses.iter().all(|pause| *pause <= 2 * 3_600_000),
        "a pause is longer than two hours: {pauses:?}"
    );
    // The integration is not due now, so a tick does not probe it.
    stub.forget_requests();
    postern.tick().await?;
    ensure!(stub.requests().is_empty(), "an integration that is not due was probed");
    Ok(())
}

/// A stopped integration is not in use, so its status is `stopped` even if its upstream fails.
#[tokio::test]
async fn a_stopped_integration_is_not_in_error() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let client = Hoziron::of(&postern)?;
    let failing = postern.register("Failing", &stub.url("/modern")).await?;
    stub.break_with(Some(500.try_into()?));
    for _ in 0..3 {
        postern.validate(&failing.id).await?;
    }
    ensure!(client.status("failing").await?["status"] == "error");
    client.stop("failing").await?;
    ensure!(client.status("failing").await?["status"] == "stopped");
    ensure!(client.item("failing").await?.context("not listed")?["status"] == "stopped");
    stub.break_with(None);
    client.run("failing", "start").await?;
    ensure!(client.status("failing").await?.get("last_error").is_none());
    Ok(())
}
