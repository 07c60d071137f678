//! Killed in the middle of writes, again and again: no half of a batch is ever seen.
//!
//! On Spin only: what D1 does with a batch is Cloudflare's, and workerd keeps its files through a process of its own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::{Postern, Runtime, Settings, api::Api};
use serde_json::json;

use crate::fixtures;

/// How often Postern is killed.
const KILLS: u64 = 100;
/// Tools of each upstream: a valid integration has all of them.
const TOOLS: u64 = 5;
/// Writers at once.
const WRITERS: u64 = 4;

/// Each of these counts what a torn batch would leave behind.
const TORN: [(&str, &str); 4] = [
    (
        "tokens without their integration, and the other way round",
        "SELECT count(*) AS n FROM integrations i WHERE (i.auth_mode = 'server_token') <>
         (EXISTS (SELECT 1 FROM credentials c WHERE c.integration_id = i.id) AND i.archived_at IS NULL)
         AND i.archived_at IS NULL",
    ),
    (
        "archived integrations that kept a token or tools",
        "SELECT count(*) AS n FROM integrations i WHERE i.archived_at IS NOT NULL
         AND (EXISTS (SELECT 1 FROM credentials c WHERE c.integration_id = i.id)
              OR EXISTS (SELECT 1 FROM tools t WHERE t.integration_id = i.id))",
    ),
    (
        "valid integrations without their whole catalogue",
        "SELECT count(*) AS n FROM integrations i WHERE i.validation_status = 'valid' AND i.archived_at IS NULL
         AND (SELECT count(*) FROM tools t WHERE t.integration_id = i.id) <> 5",
    ),
    (
        "catalogues of integrations that are not valid",
        "SELECT count(*) AS n FROM integrations i WHERE i.validation_status = 'pending'
         AND EXISTS (SELECT 1 FROM tools t WHERE t.integration_id = i.id)",
    ),
];

#[tokio::test]
async fn a_hundred_kills_tear_no_batch() -> Result<()> {
    if Runtime::under_test()? != Runtime::Spin {
        return Ok(());
    }
    let (stub, folder) = (fixtures::stub()?, tempfile::tempdir()?);
    let settings = Settings::new()?.persisted_in(folder.path());
    let url = stub.url(&format!("/modern?tools={TOOLS}"));
    for kill in 0..KILLS {
        let postern = Postern::start(Runtime::Spin, settings.clone()).await?;
        postern.stranger()?.get("/health").await?.expect(200)?;
        check(&postern).await.with_context(|| format!("after {kill} kills"))?;
        let admin = postern.admin()?;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write(admin.clone(), format!("{kill} {writer}"), url.clone())))
            .collect();
        // A different moment each time, spread over the first writes.
        tokio::time::sleep(Duration::from_millis(20 + kill * 7 % 150)).await;
        postern.kill().await?;
        for writer in writers {
            writer.abort();
        }
    }
    let postern = Postern::start(Runtime::Spin, settings).await?;
    postern.stranger()?.get("/health").await?.expect(200)?;
    check(&postern).await?;
    let written = number(&postern, "SELECT count(*) AS n FROM integrations").await?;
    ensure!(written >= KILLS, "only {written} integrations were written: the kills came too early");
    let archived =
        number(&postern, "SELECT count(*) AS n FROM integrations WHERE archived_at IS NOT NULL").await?;
    ensure!(archived > 0, "nothing was archived");
    Ok(())
}

/// Creates integrations with tokens, which their probe fills with tools, and archives every second one.
async fn write(admin: Api, prefix: String, url: String) -> Result<()> {
    for n in 0.. {
        let body = json!({"name": format!("{prefix} {n}"), "url": url, "authMode": "server_token", "serverToken": "t"});
        let created = admin.post("/api/v1/integrations", &body).await?.expect(201)?;
        if n % 2 == 1 {
            let id = created["integration"]["id"].as_str().context("no id")?;
            admin.delete(&format!("/api/v1/integrations/{id}")).await?.expect(204)?;
        }
    }
    Ok(())
}

async fn check(postern: &Postern) -> Result<()> {
    let integrity = postern.sql("PRAGMA integrity_check", json!([])).await?;
    ensure!(integrity == [json!({"integrity_check": "ok"})], "{integrity:?}");
    for (what, sql) in TORN {
        ensure!(number(postern, sql).await? == 0, "there are {what}");
    }
    Ok(())
}

async fn number(postern: &Postern, sql: &str) -> Result<u64> {
    let rows = postern.sql(sql, json!([])).await?;
    rows.first().and_then(|row| row["n"].as_u64()).with_context(|| format!("no number from {sql}"))
}
