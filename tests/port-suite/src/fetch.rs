//! Checks of the Fetch port and of the limits around it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method};
use kernel::net::{Policy, SafeUrl};
use kernel::ports::Ports;
use kernel::ports::{FetchError, Limits, Outgoing, Release, UpstreamResponse, collect};

use super::{Outcome, Suite, same, text};

pub(super) async fn run(platform: &Ports, helper: &str, suite: &mut Suite) {
    let at = |path: &str| format!("{helper}/helper/{path}");
    suite.check("fetch: method, headers and body arrive", echo(platform, at("echo"))).await;
    suite.check("fetch: a redirect is returned and not followed", redirect(platform, at("redirect"))).await;
    suite
        .check(
            "fetch: chunks arrive before the body's end",
            streaming(platform, at("stream?chunks=3&delay_ms=150")),
        )
        .await;
    suite.check("fetch: a large body arrives whole", large(platform, at("bytes?n=3000000"))).await;
    suite
        .check("fetch: an announced body over the limit is refused", too_large(platform, at("bytes?n=5000")))
        .await;
    suite
        .check(
            "fetch: an unannounced body over the limit is cut off",
            too_large(platform, at("bytes?n=500000&chunked=1")),
        )
        .await;
    suite.check("fetch: silence before the head times out", silence(platform, at("hang"))).await;
    suite
        .check("fetch: silence in the body times out", stall(platform, at("stream?chunks=2&delay_ms=3000")))
        .await;
    suite
        .check("fetch: the total time is limited", total(platform, at("stream?chunks=50&delay_ms=50")))
        .await;
    suite.check("fetch: a refused connection is reported as unreachable", unreachable(platform)).await;
    suite
        .check(
            "fetch: bodies given up half-way do not block later requests",
            given_up(platform, at("bytes?n=5000000&chunked=1")),
        )
        .await;
    suite
        .check(
            "fetch: more unread bodies than sockets do not block later requests",
            unread(platform, at("bytes?n=100000")),
        )
        .await;
}

const LIMITS: Limits =
    Limits { idle: Duration::from_secs(5), total: Duration::from_secs(20), max_bytes: 10_000_000 };

fn request(url: &str, limits: Limits) -> Result<Outgoing, String> {
    let url = SafeUrl::parse(url, Policy { allow_loopback: true }).map_err(text)?;
    Ok(Outgoing {
        method: Method::GET,
        url,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        limits,
        release: Release::AtOnce,
    })
}

async fn get(platform: &Ports, url: &str, limits: Limits) -> Result<UpstreamResponse, String> {
    platform.fetch(request(url, limits)?).await.map_err(text)
}

async fn echo(platform: &Ports, url: String) -> Outcome {
    let mut request = request(&url, LIMITS)?;
    request.method = Method::POST;
    request.headers.insert("x-suite", HeaderValue::from_static("yes"));
    request.headers.insert("content-type", HeaderValue::from_static("application/json"));
    request.body = Bytes::from_static("{\"é\":1}".as_bytes());
    let response = platform.fetch(request).await.map_err(text)?;
    same(response.status, 200)?;
    let body = collect(response.body).await.map_err(text)?;
    let body: serde_json::Value = serde_json::from_slice(&body).map_err(text)?;
    let at =
        |pointer: &str| body.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    same(
        [at("/method"), at("/headers/x-suite"), at("/headers/content-type"), at("/body")],
        ["POST", "yes", "application/json", "{\"é\":1}"].map(str::to_owned),
    )
}

async fn redirect(platform: &Ports, url: String) -> Outcome {
    let response = get(platform, &url, LIMITS).await?;
    same(response.status, 302)?;
    let location = response.headers.get("location").and_then(|value| value.to_str().ok());
    same(location, Some("/helper/echo"))
}

async fn streaming(platform: &Ports, url: String) -> Outcome {
    let mut body = get(platform, &url, LIMITS).await?.body;
    let start = platform.now();
    let mut times = Vec::new();
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await {
        whole.extend_from_slice(&chunk.map_err(text)?);
        times.push(platform.now().since(start).as_millis());
    }
    same(String::from_utf8_lossy(&whole).into_owned(), "chunk 0\nchunk 1\nchunk 2\n".to_owned())?;
    // The server pauses between the chunks: if the runtime gathered them, all would arrive at once.
    match (times.first(), times.last()) {
        (Some(first), Some(last)) if last - first >= 200 => Ok(()),
        _ => Err(format!("chunks came at {times:?} ms")),
    }
}

async fn large(platform: &Ports, url: String) -> Outcome {
    let response = get(platform, &url, LIMITS).await?;
    same(collect(response.body).await.map_err(text)?.len(), 3_000_000)
}

async fn too_large(platform: &Ports, url: String) -> Outcome {
    let limits = Limits { max_bytes: 4999, ..LIMITS };
    let outcome = match platform.fetch(request(&url, limits)?).await {
        Ok(response) => collect(response.body).await.map(|body| body.len()),
        Err(error) => Err(error),
    };
    same(outcome, Err(FetchError::TooLarge { limit: 4999 }))
}

async fn silence(platform: &Ports, url: String) -> Outcome {
    let limits = Limits { idle: Duration::from_millis(200), ..LIMITS };
    let outcome = platform.fetch(request(&url, limits)?).await;
    same(outcome.map(|response| response.status), Err(FetchError::Timeout))
}

async fn stall(platform: &Ports, url: String) -> Outcome {
    let limits = Limits { idle: Duration::from_millis(300), ..LIMITS };
    let mut body = get(platform, &url, limits).await?.body;
    same(body.next().await, Some(Ok(Bytes::from_static(b"chunk 0\n"))))?;
    same(body.next().await, Some(Err(FetchError::Timeout)))?;
    same(body.next().await, None)
}

async fn total(platform: &Ports, url: String) -> Outcome {
    let limits = Limits { total: Duration::from_millis(400), ..LIMITS };
    let body = get(platform, &url, limits).await?.body;
    same(collect(body).await, Err(FetchError::Timeout))
}

async fn unreachable(platform: &Ports) -> Outcome {
    // Port 1 (tcpmux) has no server on any machine that runs tests.
    let outcome = platform.fetch(request("http://127.0.0.1:1/", LIMITS)?).await;
    match outcome.map(|response| response.status) {
        Err(FetchError::Unreachable(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn unread(platform: &Ports, url: String) -> Outcome {
    for _ in 0..12 {
        // The response is dropped unread: its connection must be released.
        drop(get(platform, &url, LIMITS).await?);
    }
    same(get(platform, &url, LIMITS).await?.status, 200)
}

async fn given_up(platform: &Ports, url: String) -> Outcome {
    for _ in 0..12 {
        let request = Outgoing { release: Release::WithCaller, ..request(&url, LIMITS)? };
        let mut body = platform.fetch(request).await.map_err(text)?.body;
        // One chunk is read, then the body is dropped.
        if body.next().await.is_none() {
            return Err("no body".to_owned());
        }
    }
    Ok(())
}
