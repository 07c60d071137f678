//! Response bodies: known bytes, or a stream fed by a task; and the small constructors of responses.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::Value;
use tokio::sync::mpsc;

/// The body of a response.
pub(crate) enum Body {
    Full(Full<Bytes>),
    Stream { chunks: mpsc::Receiver<Chunk>, length: Option<u64> },
}

/// A piece of a streamed body, or the sign that the connection breaks off here.
pub(crate) type Chunk = Result<Bytes, BreakOff>;

/// The sending end of a streamed body. Sending fails once the peer has closed the connection.
pub(crate) type Feed = mpsc::Sender<Chunk>;

/// A deliberately broken connection.
#[derive(Debug)]
pub(crate) struct BreakOff;

impl fmt::Display for BreakOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stub breaks the connection off here")
    }
}

impl std::error::Error for BreakOff {}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BreakOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BreakOff>>> {
        match self.get_mut() {
            Self::Full(full) => Pin::new(full)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Self::Stream { chunks, .. } => {
                chunks.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(full) if full.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(full) => full.size_hint(),
            Self::Stream { length, .. } => length.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    with_body(status, None, Bytes::new())
}

/// A response of plain text.
pub(crate) fn text(status: StatusCode, text: &str) -> Response<Body> {
    with_body(status, Some("text/plain; charset=utf-8"), Bytes::copy_from_slice(text.as_bytes()))
}

/// A response of one JSON document.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    with_body(status, Some("application/json"), Bytes::from(value.to_string()))
}

/// A response of these bytes.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: Option<&'static str>,
    bytes: Bytes,
) -> Response<Body> {
    let mut response = Response::new(Body::Full(Full::new(bytes)));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        set(&mut response, header::CONTENT_TYPE, content_type);
    }
    response
}

/// A streamed response and its feed. At most one chunk waits, so the feed never runs ahead of the peer.
pub(crate) fn stream(content_type: &'static str, length: Option<u64>) -> (Feed, Response<Body>) {
    let (feed, chunks) = mpsc::channel(1);
    let mut response = Response::new(Body::Stream { chunks, length });
    set(&mut response, header::CONTENT_TYPE, content_type);
    (feed, response)
}

/// A response that is an event stream.
pub(crate) fn events() -> (Feed, Response<Body>) {
    let (feed, mut response) = stream("text/event-stream", None);
    set(&mut response, header::CACHE_CONTROL, "no-cache");
    set(&mut response, header::HeaderName::from_static("x-accel-buffering"), "no");
    (feed, response)
}

/// One event that carries a JSON-RPC message.
pub(crate) fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

/// Sets a header to a constant.
pub(crate) fn set(response: &mut Response<Body>, name: header::HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
