//! Endpoints that answer every request wrongly, and in the same way.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::{
    body::{self, Body},
    query::Target,
};

/// Answers a path that is not an MCP endpoint.
pub(crate) async fn answer(segments: &[&str], target: &Target) -> Response<Body> {
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
    let mut response = body::empty(StatusCode::FOUND);
    response.headers_mut().insert(header::LOCATION, to);
    response
}
