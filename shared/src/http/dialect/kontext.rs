//! Kontext errors: `{message, statusCode}`, with `code`, `requestId` and, where there are any, `details` added.

use http::StatusCode;
use serde_json::json;

use crate::Error;
use crate::http::request::{RequestId, Response, with_type};

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let mut body = json!({
        "message": error.message,
        "statusCode": status.as_u16(),
        "code": error.code.as_str(),
        "requestId": id.0,
    });
    if let (Some(details), Some(body)) = (&error.details, body.as_object_mut()) {
        body.insert("details".to_owned(), details.clone().into());
    }
    with_type(status, "application/json", body.to_string())
}
