//! The limits of production hold for this suite on workerd: the same wrapper that Postern runs in here, around a Worker
//! that goes to each limit and one beyond. And Postern's own limits of requests.

use std::time::Duration;

use anyhow::{Result, ensure};
use black_box::{Application, Host, Postern, Runtime, Settings, Start, Upstream, eventually};
use serde_json::{Value, json};
use stub_upstream::Options;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

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
    // The same where the client leaves before the answer.
    probe("later", 0).await?;
    eventually("the work is done", async || Ok((probe("late", 0).await?["ok"] == true).then_some(())))
        .await?;
    let mut client = TcpStream::connect(host.url().trim_start_matches("http://")).await?;
    client.write_all(b"GET /abandoned?n=600 HTTP/1.1\r\nhost: probe\r\n\r\n").await?;
    eventually("the work has begun", async || Ok((probe("late", 0).await?["ok"] == false).then_some(())))
        .await?;
    client.set_zero_linger()?;
    drop(client);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    ensure!(probe("late", 0).await? == json!({"ok": false}), "work went on although the client had left");
    Ok(())
}

/// The client's address is the one that the runtime vouches for; a header that a client adds changes nothing.
#[tokio::test]
async fn requests_without_a_key_are_limited_by_address_and_a_valid_key_still_passes() -> Result<()> {
    let runtime = Runtime::under_test()?;
    let settings = Settings::new()?.with("ANONYMOUS_REQUESTS_PER_MINUTE", "3");
    let postern = Postern::start(runtime, settings).await?;
    let client = reqwest::Client::new();
    let mut last = None;
    for attempt in 0..12 {
        let mut request = client
            .get(postern.url("/api/v1/integrations"))
            .header("x-api-key", "wrong")
            .header("x-forwarded-for", format!("198.51.100.{attempt}"))
            .header("spin-client-addr", format!("198.51.100.{attempt}:1"));
        if runtime == Runtime::Workerd {
            // Cloudflare sets this header; here the test stands for it.
            request = request.header("cf-connecting-ip", "192.0.2.7");
        }
        let answer = request.send().await?;
        ensure!(matches!(answer.status().as_u16(), 401 | 429), "{}", answer.status());
        last = Some(answer);
    }
    let last = last.ok_or_else(|| anyhow::anyhow!("no answer"))?;
    ensure!(last.status() == 429, "{}", last.status());
    ensure!(last.headers().contains_key("retry-after"), "{:?}", last.headers());
    let body: Value = last.json().await?;
    ensure!(body["statusCode"] == 429 && body["code"] == "rate_limited", "{body}");
    postern.admin()?.get("/api/v1/integrations").await?.expect(200)?;
    Ok(())
}
