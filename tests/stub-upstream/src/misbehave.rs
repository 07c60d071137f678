//! Endpoints that answer every request in the same wrong way.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::{
    body::{self, Body},
    endpoint::HugeShape,
    query::Target,
    tools,
};

/// Answers a path that is not an MCP endpoint.
pub(crate) async fn answer(segments: &[&str], target: &Target, body: &Bytes) -> Response<Body> {
    match segments {
        ["hang"] => std::future::pending().await,
        ["status", code] => match code.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok()) {
            Some(status) => body::text(status, "as you asked"),
            None => body::text(StatusCode::BAD_REQUEST, "no such status"),
        },
        ["bad-json"] => bad_json(),
        ["html"] => body::with_body(
            StatusCode::OK,
            Some("text/html; charset=utf-8"),
            Bytes::from_static(b"<!doctype html><title>Not MCP</title><p>This is a web page."),
        ),
        ["redirect"] => redirect(target),
        ["huge"] => {
            let (bytes, shape) = HugeShape::of(target);
            tools::huge(&id(body), bytes, shape)
        }
        ["drip"] => drip(),
        _ => body::text(StatusCode::NOT_FOUND, "no such endpoint"),
    }
}

/// 200, `application/json`, and a body that breaks off.
pub(crate) fn bad_json() -> Response<Body> {
    body::with_body(
        StatusCode::OK,
        Some("application/json"),
        Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\","),
    )
}

fn redirect(target: &Target) -> Response<Body> {
    let Some(to) = target.get("to").and_then(|to| HeaderValue::from_str(to).ok()) else {
        return body::text(StatusCode::BAD_REQUEST, "say where: /redirect?to=URL");
    };
    let status = target.number("status").and_then(|code| StatusCode::from_u16(code.try_into().ok()?).ok());
    let mut response = body::empty(status.unwrap_or(StatusCode::FOUND));
    response.headers_mut().insert(header::LOCATION, to);
    response
}

/// An event stream of comments that is never silent for long, never ends and never has a message.
fn drip() -> Response<Body> {
    const PAUSE: Duration = Duration::from_millis(200);
    let (feed, response) = body::events();
    tokio::spawn(async move {
        while feed.send(Ok(Bytes::from_static(b": still here\n\n"))).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
    });
    response
}

/// The id of the request in a body, so that a wrong answer at least has the right id.
fn id(body: &Bytes) -> Value {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    message.get("id").cloned().unwrap_or_default()
}
