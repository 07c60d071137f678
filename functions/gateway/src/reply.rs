//! The answer to one message, and its conversion into an HTTP response.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt as _, pin_mut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use mcp::message::{RpcError, response};
use mcp::sse;
use serde_json::value::RawValue;
use web::answer::{empty, with_type};
use web::{Body, Response};

use crate::exchange::Exchange;

/// The answer to one message.
pub(crate) enum Reply {
    /// A message, the HTTP status that carries it, and the id of the session that `initialize` opened.
    Message { status: StatusCode, json: String, session_id: Option<String> },
    /// An event stream: messages as the upstream sends them, the response last.
    Stream(Box<Exchange>),
    /// No answer, because the message was a notification or a response.
    Accepted,
}

impl Reply {
    /// Returns the reply to the request `id` with `result`.
    pub(crate) fn result(id: &RawValue, result: &RawValue) -> Self {
        Self::Message { status: StatusCode::OK, json: response(id, "result", result), session_id: None }
    }

    /// Adds the id of the session that was opened.
    pub(crate) fn with_session(self, id: String) -> Self {
        match self {
            Self::Message { status, json, .. } => Self::Message { status, json, session_id: Some(id) },
            other => other,
        }
    }

    /// Returns the HTTP response. A stream becomes an event stream if the agent accepts one, else a JSON body with the
    /// last message only.
    pub(crate) async fn into_response(self, takes_events: bool) -> Response {
        match self {
            Self::Message { status, json, session_id } => {
                let mut response = with_type(status, "application/json", json);
                if let Some(id) = session_id.and_then(|id| HeaderValue::try_from(id).ok()) {
                    response.headers_mut().insert(mcp::headers::SESSION_ID, id);
                }
                response
            }
            Self::Stream(exchange) if takes_events => event_stream(exchange),
            Self::Stream(exchange) => with_type(StatusCode::OK, "application/json", exchange.last().await),
            Self::Accepted => empty(StatusCode::ACCEPTED),
        }
    }

    /// Returns the message alone, for a batch; `None` if there is no answer.
    pub(crate) async fn into_message(self) -> Option<String> {
        match self {
            Self::Message { json, .. } => Some(json),
            Self::Stream(exchange) => Some(exchange.last().await),
            Self::Accepted => None,
        }
    }
}

impl From<RpcError> for Reply {
    fn from(error: RpcError) -> Self {
        Self::Message { status: error.status, json: error.to_json(), session_id: None }
    }
}

/// Longest silence on an event stream. After it a comment is sent, so that proxies keep the connection and a
/// disconnected agent is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

fn event_stream(exchange: Box<Exchange>) -> Response {
    let events = futures_util::stream::unfold(exchange, |mut exchange| async move {
        let silence = exchange.sleep(KEEP_ALIVE);
        let next = {
            let message = exchange.next();
            pin_mut!(message);
            match select(message, silence).await {
                Either::Left((message, _)) => sse::encode(&message?),
                Either::Right(_) => Bytes::from_static(b": keep-alive\n\n"),
            }
        };
        Some((Ok(next), exchange))
    });
    let mut response = Response::new(Body::Stream(events.boxed_local()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // Asks proxies not to buffer the events.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
