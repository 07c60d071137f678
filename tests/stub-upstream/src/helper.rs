//! `/helper/…`: plain HTTP for the port conformance suite.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value, json};

use crate::{
    body::{self, Body},
    query::Target,
};

/// Answers `/helper/<name>`.
pub(crate) async fn answer(name: &str, head: &Parts, target: &Target, body: &Bytes) -> Response<Body> {
    match name {
        "echo" => echo(head, body),
        "stream" => stream(target),
        "bytes" => bytes(target.number("n").unwrap_or(0), target.on("chunked")),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(target.number("ms").unwrap_or(0))).await;
            body::text(StatusCode::OK, "at last")
        }
        "redirect" => {
            let mut response = body::empty(StatusCode::FOUND);
            body::set(&mut response, header::LOCATION, "/helper/echo");
            response
        }
        "hang" => std::future::pending().await,
        _ => body::text(StatusCode::NOT_FOUND, "no such helper"),
    }
}

fn echo(head: &Parts, body: &Bytes) -> Response<Body> {
    let echoed = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "headers": headers_as_json(&head.headers),
        "body": String::from_utf8_lossy(body),
    });
    body::json(StatusCode::OK, &echoed)
}

/// Header fields as one object; the values of a repeated field are joined by `, `.
pub(crate) fn headers_as_json(headers: &HeaderMap) -> Value {
    let mut object = Map::new();
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        object.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
    }
    Value::Object(object)
}

/// `?chunks=N&delay_ms=M`: the lines `chunk 0` … `chunk N-1`, each flushed by itself, M milliseconds apart.
fn stream(target: &Target) -> Response<Body> {
    let chunks = target.number("chunks").unwrap_or(3);
    let delay = Duration::from_millis(target.number("delay_ms").unwrap_or(0));
    let (feed, response) = body::stream("text/plain; charset=utf-8", None);
    tokio::spawn(async move {
        for number in 0..chunks {
            if number > 0 {
                tokio::time::sleep(delay).await;
            }
            if feed.send(Ok(Bytes::from(format!("chunk {number}\n")))).await.is_err() {
                return;
            }
        }
    });
    response
}

/// `length` bytes of `x`, with or without a Content-Length.
fn bytes(length: u64, chunked: bool) -> Response<Body> {
    let (feed, response) = body::stream("application/octet-stream", (!chunked).then_some(length));
    tokio::spawn(async move {
        fill(&feed, length).await;
    });
    response
}

/// Sends `length` bytes of `x`. Returns `false` when the peer has closed the connection.
pub(crate) async fn fill(feed: &body::Feed, length: u64) -> bool {
    const PIECE: usize = 64 * 1024;
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let mut left = length;
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        if feed.send(Ok(piece.slice(..size))).await.is_err() {
            return false;
        }
        left -= size as u64;
    }
    true
}
