//! Dialects: how the one [`Error`] looks in each public API. A handler never formats an error itself.

mod feather;
mod hoziron;
mod json_rpc;
mod kontext;
mod problem;

pub use feather::FeatherError;
pub use hoziron::HozironError;
pub use json_rpc::JsonRpcError;
pub use kontext::KontextError;
pub use problem::Problem;

use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use super::request::{RequestId, Response};
use crate::{Code, Error};

/// The error form of a route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{message, statusCode, code, requestId, details?}`.
    Kontext,
    /// `{error: {category, message, details}}`.
    Hoziron,
    /// `{error: {code, message}, request_id}`.
    Feather,
    /// RFC 9457 `application/problem+json`.
    Problem,
    /// A JSON-RPC 2.0 error object, for MCP endpoints.
    JsonRpc,
}

/// Renders `error`, with the headers that its status asks for.
pub fn render(dialect: Dialect, error: &Error, id: &RequestId) -> Response {
    let status = status(error.code);
    let mut response = match dialect {
        Dialect::Kontext => kontext::render(status, error, id),
        Dialect::Hoziron => hoziron::render(status, error, id),
        Dialect::Feather => feather::render(status, error, id),
        Dialect::Problem => problem::render(status, error, id),
        Dialect::JsonRpc => json_rpc::render(status, error, id),
    };
    let headers = response.headers_mut();
    if error.code == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"postern\""));
    }
    if let Some(allow) = error.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if error.retryable() {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// An error body as JSON. None of them has anything that could not be written.
fn text(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// The HTTP status of a kind of failure, in all dialects so far.
fn status(code: Code) -> StatusCode {
    match code {
        Code::Invalid => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Code::Conflict | Code::Duplicate => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Upstream => StatusCode::BAD_GATEWAY,
        Code::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        Code::NotConfigured | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
