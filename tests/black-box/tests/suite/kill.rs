//! Postern is killed in the middle of writes, many times: no half of a batch is ever visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::{Postern, Runtime, Settings, api::Api};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::fixtures;

/// How often Postern is killed: on Spin, whose transactions are Postern's own, more often than on workerd, which takes
/// longer to start.
const fn kills(runtime: Runtime) -> u64 {
    match runtime {
        Runtime::Spin => 100,
        Runtime::Workerd => 20,
    }
}

/// The number of tools of each upstream: a valid integration has all of them.
const TOOLS: u64 = 5;
/// The number of writers at the same time.
const WRITERS: u64 = 4;

/// Queries that count what a torn batch would leave behind, each with its description.
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
              OR EXISTS (SELECT 1 FROM catalogue_entries t WHERE t.integration_id = i.id))",
    ),
    (
        "valid integrations without their whole catalogue",
        "SELECT count(*) AS n FROM integrations i WHERE i.validation_status = 'valid' AND i.archived_at IS NULL
         AND (SELECT count(*) FROM catalogue_entries t WHERE t.integration_id = i.id) <> 5",
    ),
    (
        "catalogues of integrations that are not valid",
        "SELECT count(*) AS n FROM integrations i WHERE i.validation_status = 'pending'
         AND EXISTS (SELECT 1 FROM catalogue_entries t WHERE t.integration_id = i.id)",
    ),
];

#[tokio::test]
async fn kills_tear_no_batch() -> Result<()> {
    let runtime = Runtime::under_test()?;
    let kills = kills(runtime);
    let (stub, folder) = (fixtures::stub()?, tempfile::tempdir()?);
    let settings = Settings::new()?.persisted_in(folder.path());
    let url = stub.url(&format!("/modern?tools={TOOLS}"));
    for kill in 0..kills {
        let postern = Postern::start(runtime, settings.clone()).await?;
        postern.stranger()?.get("/health").await?.expect(200)?;
        check(&postern).await.with_context(|| format!("after {kill} kills"))?;
        let admin = postern.admin()?;
        let answers = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let prefix = format!("{kill} {writer}");
                tokio::spawn(write(admin.clone(), prefix, url.clone(), answers.clone()))
            })
            .collect();
        // Each kill comes at another moment, spread over the first writes. How long those take depends on the machine, so
        // answers are counted: after three for each writer, one writer at least has archived an integration.
        let wanted = kill % (3 * WRITERS + 1);
        while answers.load(Ordering::Relaxed) < wanted {
            ensure!(!writers.iter().all(JoinHandle::is_finished), "every writer failed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(kill * 7 % 30)).await;
        postern.kill().await?;
        for writer in writers {
            writer.abort();
        }
    }
    let postern = Postern::start(runtime, settings).await?;
    postern.stranger()?.get("/health").await?.expect(200)?;
    check(&postern).await?;
    let written = postern.number("SELECT count(*) AS n FROM integrations").await?;
    ensure!(written >= kills, "only {written} integrations were written");
    let archived =
        postern.number("SELECT count(*) AS n FROM integrations WHERE archived_at IS NOT NULL").await?;
    ensure!(archived > 0, "nothing was archived");
    Ok(())
}

/// Creates integrations with tokens, which then get tools by their first probe, and archives every second one. Adds up
/// the answers in `answers`.
async fn write(admin: Api, prefix: String, url: String, answers: Arc<AtomicU64>) -> Result<()> {
    for n in 0.. {
        let body = json!({"name": format!("{prefix} {n}"), "url": url, "authMode": "server_token", "serverToken": "t"});
        let created = admin.post("/api/v1/integrations", &body).await?.expect(201)?;
        answers.fetch_add(1, Ordering::Relaxed);
        if n % 2 == 1 {
            let id = created["integration"]["id"].as_str().context("no id")?;
            admin.delete(&format!("/api/v1/integrations/{id}")).await?.expect(204)?;
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

async fn check(postern: &Postern) -> Result<()> {
    // D1 has only the quick check.
    let pragma = match postern.runtime() {
        Runtime::Spin => "integrity_check",
        Runtime::Workerd => "quick_check",
    };
    let answer = postern.sql(&format!("PRAGMA {pragma}"), json!([])).await?;
    let word = answer.first().and_then(Value::as_object).and_then(|row| row.values().next());
    ensure!(answer.len() == 1 && word == Some(&json!("ok")), "{answer:?}");
    for (what, sql) in TORN {
        ensure!(postern.number(sql).await? == 0, "there are {what}");
    }
    Ok(())
}
