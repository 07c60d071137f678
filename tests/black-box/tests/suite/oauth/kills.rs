//! Postern is killed in the middle of refreshes, many times: a token that the provider has rotated and Postern has
//! not stored is not lost, where the provider allows a retry; and the lease of a killed process expires.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration, Postern, Runtime,
    api::Api,
    oauth::{Browser, Provider},
};
use futures_util::future::join_all;
use serde_json::json;

use super::{CONNECTED, arrived, init, settings, text, whoami};
use crate::registry::INTEGRATIONS;

const KILLS: u64 = 12;
const USERS: usize = 15;
/// How many milliseconds the token endpoint holds its answer back after the provider has rotated the token: the
/// kills are meant to come in this time.
const HOLD: u64 = 400;

/// A user who outlives Postern's processes: a key and an account.
type User = (String, String);

async fn connect(postern: &Postern, integration: &Integration, (key, account): &User) -> Result<()> {
    let started = init(&postern.caller(key)?, &integration.id).await?;
    let browser = Browser::new(&postern.url(""), account)?;
    let back = browser.consent(text(&started, "authorizationUrl")?).await?;
    arrived(&browser.finish(&back).await?, CONNECTED)
}

async fn expire(postern: &Postern) -> Result<()> {
    let sql =
        "UPDATE credentials SET expires_at = CAST(unixepoch('now') * 1000 + 30000 AS INTEGER) RETURNING id";
    let rows = postern.sql(sql, json!([])).await?;
    ensure!(rows.len() == USERS, "{} credentials", rows.len());
    Ok(())
}

/// Calls as every user. Each must get their own answer, at once or, where a lease has to expire first, within
/// `patience`.
async fn everybody_calls(postern: &Postern, slug: &str, users: &[User], patience: Duration) -> Result<()> {
    let calls = users.iter().map(|(key, account)| async move {
        let api: Api = postern.caller(key)?;
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            match whoami(&api, slug).await {
                Ok(me) => {
                    ensure!(me["sub"] == *account, "{me} instead of {account}");
                    return Ok(());
                }
                Err(error) if tokio::time::Instant::now() >= deadline => {
                    return Err(error.context(account.clone()));
                }
                Err(error) => {
                    let text = format!("{error:#}");
                    ensure!(text.contains("being renewed"), "{account}: {text}");
                }
            }
        }
    });
    join_all(calls).await.into_iter().collect()
}

#[tokio::test]
async fn kills_lose_no_grant() -> Result<()> {
    let runtime = Runtime::under_test()?;
    let folder = tempfile::tempdir()?;
    let settings = settings()?.persisted_in(folder.path());
    let postern = Postern::start(runtime, settings.clone()).await?;
    let provider = Provider::start(&postern.url(""), json!({})).await?;
    let body = json!({
        "name": "Killed", "url": provider.mcp(), "authMode": "oauth", "oauth": {"tokenUrl": provider.lossy()},
    });
    let integration = Integration::of(&postern.admin()?.post(INTEGRATIONS, &body).await?.expect(201)?)?;
    let mut users: Vec<User> = Vec::new();
    for n in 0..USERS {
        let user =
            (postern.insert_key(&format!("user {n}"), &["developer"], None).await?, format!("account-{n}"));
        connect(&postern, &integration, &user).await?;
        users.push(user);
    }
    black_box::eventually("the tools are known", async || {
        let tools = crate::fixtures::modern_tools(&postern.admin()?, &integration.path()).await?;
        Ok(tools.iter().any(|tool| tool != "connect").then_some(()))
    })
    .await?;
    postern.stop().await?;
    provider.set(json!({"hold": HOLD})).await?;

    let mut leased = 0;
    for kill in 1..=KILLS {
        let postern = Postern::start(runtime, settings.clone()).await?;
        postern.stranger()?.get("/health").await?.expect(200)?;
        expire(&postern).await?;
        let callers: Vec<_> = users
            .iter()
            .map(|(key, _)| {
                let (api, slug) = (postern.caller(key), integration.slug.clone());
                tokio::spawn(async move { whoami(&api?, &slug).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(HOLD / 4 + kill * 97 % HOLD)).await;
        postern.kill().await?;
        for caller in callers {
            caller.abort();
        }

        let postern = Postern::start(runtime, settings.clone()).await?;
        let left = postern.number("SELECT count(*) AS n FROM credentials WHERE lease_until > 0").await?;
        leased += left;
        let last = kill == KILLS;
        if !last {
            // Stands in for the rest of the lease's time.
            postern
                .sql("UPDATE credentials SET lease_until = 1 WHERE lease_until > 0 RETURNING id", json!([]))
                .await?;
        }
        let patience = if last { Duration::from_mins(1) } else { Duration::from_secs(5) };
        everybody_calls(&postern, &integration.slug, &users, patience)
            .await
            .with_context(|| format!("after kill {kill}, which left {left} leases"))?;
        let inactive = "SELECT count(*) AS n FROM credentials WHERE status <> 'active'";
        ensure!(postern.number(inactive).await? == 0, "grants are lost after kill {kill}");
        postern.stop().await?;
    }
    let (refreshes, refused) = provider.token_requests("refresh_token").await?;
    let seen = provider.seen().await?;
    println!(
        "{refreshes} refreshes, {} replayed, {leased} leases left behind by {KILLS} kills",
        seen["replayed"]
    );
    assert_eq!(refused, 0);
    assert!(leased >= KILLS, "only {leased} leases were left: the kills came too early or too late");
    assert!(seen["replayed"].as_u64() >= Some(KILLS), "{}", seen["replayed"]);
    Ok(())
}
