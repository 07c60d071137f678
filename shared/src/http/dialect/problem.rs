//! RFC 9457 problem details: `{type, title, status, detail}`, with `code` and `instance` (the request id).

use http::StatusCode;
use serde_json::json;

use crate::Error;
use crate::http::request::{RequestId, Response, with_type};

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": error.message,
        "code": error.code.as_str(),
        "instance": id.0,
    });
    with_type(status, "application/problem+json", body.to_string())
}
