//! The limits of production hold for this suite on workerd: the same wrapper that Postern runs in here, around a Worker
//! that goes to each limit and one beyond.

use std::time::Duration;

use anyhow::{Result, ensure};
use black_box::{Application, Host, Runtime, Start, Upstream, eventually};
use serde_json::{Value, json};
use stub_upstream::Options;

#[tokio::test]
async fn workerd_refuses_what_cloudflare_refuses() -> Result<()> {
    if Runtime::under_test()? != Runtime::Workerd {
        return Ok(());
    }
    let limits = json!({"subrequests": 50, "queries": 50, "wait_until_ms": 300});
    let start = Start {
        application: Application::Probe,
        limits: Some(limits),
        without_migrations: true,
        ..Start::default()
    };
    let host = Host::start(Runtime::Workerd, start).await?;
    let stub = Upstream::stub(Options::default())?;
    let probe = async |name: &str, n: u32| -> Result<Value> {
        let url = format!("{}/{name}?n={n}&url={}", host.url(), stub.url("/nothing"));
        Ok(reqwest::get(url).await?.json().await?)
    };
    for (name, most) in [
        ("value", 2_000_000),
        ("statement", 100_000),
        ("parameters", 100),
        ("queries", 50),
        ("batches", 50),
        ("cache", 50),
        ("fetches", 50),
    ] {
        let (within, beyond) = (probe(name, most).await?, probe(name, most + 1).await?);
        ensure!(within["error"].is_null(), "{name} of {most}: {within}");
        ensure!(beyond["error"].is_string(), "{name} of {}: {beyond}", most + 1);
    }
    ensure!(probe("sockets", 9).await? == json!({"ok": 6}), "more than six exchanges at once");
    // Work within the time ends; other work is never continued.
    probe("later", 100).await?;
    eventually("the work is done", async || Ok((probe("late", 0).await?["ok"] == true).then_some(())))
        .await?;
    probe("later", 600).await?;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    ensure!(probe("late", 0).await? == json!({"ok": false}), "work went on after its time");
    let left = tokio::time::timeout(Duration::from_millis(100), probe("abandoned", 600)).await;
    ensure!(left.is_err(), "answered");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    ensure!(probe("late", 0).await? == json!({"ok": false}), "work went on although the client had left");
    Ok(())
}
