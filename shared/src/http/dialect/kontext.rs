//! Kontext errors: `{message, statusCode}`, with `code` and `requestId` added.

use http::StatusCode;
use serde_json::json;

use crate::Error;
use crate::http::request::{RequestId, Response, with_type};

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let body = json!({
        "message": error.message,
        "statusCode": status.as_u16(),
        "code": error.code.as_str(),
        "requestId": id.0,
    });
    with_type(status, "application/json", body.to_string())
}
