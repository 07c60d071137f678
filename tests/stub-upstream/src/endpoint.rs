//! An MCP endpoint: which eras it speaks, how its tool calls behave, and the HTTP rules that both eras share.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header, request::Parts};
use serde_json::Value;

use crate::{
    body::{self, Body},
    legacy,
    message::{self, Message, RpcError},
    modern,
    query::Target,
    state::State,
};

/// The era of one request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// Which eras an endpoint speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eras {
    Legacy,
    Modern,
    Dual,
}

/// How `tools/call` behaves.
#[derive(Clone, Copy)]
pub(crate) enum CallMode {
    Normal,
    Hang,
    BadJson,
    Huge {
        bytes: u64,
        shape: HugeShape,
    },
    DieMidStream {
        clean: bool,
    },
    /// The stream has this many requests of the server's before the response, and no answer to them is ever accepted.
    Asks {
        requests: u64,
    },
}

/// The form of a huge answer.
#[derive(Clone, Copy)]
pub(crate) enum HugeShape {
    /// JSON with a Content-Length.
    Sized,
    /// JSON without a Content-Length.
    Chunked,
    /// Event after event, without an end.
    EndlessEvents,
    /// One event that never ends.
    EndlessLine,
}

impl HugeShape {
    /// The size and the form that a URL asks for.
    pub(crate) fn of(target: &Target) -> (u64, Self) {
        let shape = match target.get("sse") {
            Some("line") => Self::EndlessLine,
            Some(_) => Self::EndlessEvents,
            None if target.on("chunked") => Self::Chunked,
            None => Self::Sized,
        };
        (target.number("bytes").unwrap_or(32 << 20), shape)
    }
}

/// One MCP endpoint with the switches of its URL.
pub(crate) struct Endpoint {
    pub(crate) eras: Eras,
    pub(crate) calls: CallMode,
    /// Whether each answer is an event stream of one message.
    pub(crate) sse: bool,
    /// The number of tool calls after which a legacy session is forgotten.
    pub(crate) expire: Option<u64>,
    /// Whether the legacy era works without sessions.
    pub(crate) stateless: bool,
    /// The most tools that are listed.
    pub(crate) tools: Option<usize>,
}

impl Endpoint {
    /// The MCP endpoint at a path; `None` for other paths.
    pub(crate) fn at(segments: &[&str], target: &Target) -> Option<Self> {
        let (eras, calls) = match *segments {
            ["legacy"] => (Some(Eras::Legacy), CallMode::Normal),
            ["modern"] => (Some(Eras::Modern), CallMode::Normal),
            ["dual"] => (Some(Eras::Dual), CallMode::Normal),
            ["hang-call"] => (None, CallMode::Hang),
            ["bad-json-call"] => (None, CallMode::BadJson),
            ["huge-call"] => {
                let (bytes, shape) = HugeShape::of(target);
                (None, CallMode::Huge { bytes, shape })
            }
            ["die-mid-stream"] => (None, CallMode::DieMidStream { clean: target.on("clean") }),
            ["ask-call"] => (None, CallMode::Asks { requests: target.number("requests").unwrap_or(1) }),
            _ => return None,
        };
        let asked = match target.get("era") {
            Some("legacy") => Eras::Legacy,
            Some("modern") => Eras::Modern,
            _ => Eras::Dual,
        };
        Some(Self {
            eras: eras.unwrap_or(asked),
            sse: target.on("sse") && !matches!(calls, CallMode::Huge { .. }),
            calls,
            expire: target.number("expire"),
            stateless: target.on("stateless"),
            tools: target.number("tools").and_then(|tools| tools.try_into().ok()),
        })
    }

    /// An answer of one message, in the form that this endpoint uses.
    pub(crate) fn reply(&self, status: StatusCode, message: &Value) -> Response<Body> {
        if self.sse && status == StatusCode::OK {
            let mut response = body::with_body(status, Some("text/event-stream"), body::event(message));
            body::set(&mut response, header::CACHE_CONTROL, "no-cache");
            response
        } else {
            body::json(status, message)
        }
    }
}

/// Answers a request to an MCP endpoint.
pub(crate) async fn answer(state: &State, endpoint: &Endpoint, head: &Parts, body: &Bytes) -> Response<Body> {
    let legacy_spoken = endpoint.eras != Eras::Modern;
    if head.method == Method::DELETE && legacy_spoken && !endpoint.stateless {
        return legacy::delete(state, &head.headers);
    }
    if head.method != Method::POST {
        let mut response = body::empty(StatusCode::METHOD_NOT_ALLOWED);
        body::set(&mut response, header::ALLOW, if legacy_spoken { "POST, DELETE" } else { "POST" });
        return response;
    }
    if let Err((status, why)) = negotiate(&head.headers) {
        return body::json(status, &RpcError::new(-32600, why).answer(&Value::Null));
    }
    let message = match message::read(body) {
        Ok(message) => message,
        Err(malformed) => {
            return body::json(StatusCode::BAD_REQUEST, &RpcError::from(malformed).answer(&Value::Null));
        }
    };
    let modern = match endpoint.eras {
        Eras::Modern => true,
        Eras::Legacy => false,
        Eras::Dual => modern::claims(&head.headers, &message),
    };
    if modern {
        modern::post(state, endpoint, &head.headers, message).await
    } else {
        legacy::post(state, endpoint, &head.headers, message).await
    }
}

/// Checks the headers that every POST needs in both eras.
fn negotiate(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let content_type = text(headers, "content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
    }
    let accept = text(headers, "accept").unwrap_or_default().to_ascii_lowercase();
    if !accept.contains("application/json") || !accept.contains("text/event-stream") {
        return Err((
            StatusCode::NOT_ACCEPTABLE,
            "Accept must name both application/json and text/event-stream",
        ));
    }
    Ok(())
}

/// A header's value without surrounding white space.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Whether a message is a request of this method.
pub(crate) fn is_request(message: &Message, wanted: &str) -> bool {
    matches!(message, Message::Request { method, .. } if method == wanted)
}
