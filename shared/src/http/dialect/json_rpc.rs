//! JSON-RPC errors for failures before a message could be answered (authentication, size, method). Errors of a
//! message itself are made by `mcp::message`.
//!
//! The code of an HTTP-level failure is its status: MCP reserves -32768..-32000 and asks implementations to stay
//! outside for codes of their own.

use http::StatusCode;
use serde_json::json;

use crate::Error;
use crate::http::request::{RequestId, Response, with_type};

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let body = json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": {
            "code": status.as_u16(),
            "message": error.message,
            "data": { "code": error.code.as_str(), "requestId": id.0 },
        },
    });
    with_type(status, "application/json", body.to_string())
}
