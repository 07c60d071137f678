//! Hoziron errors: `{error: {category, message, details}}`; `details` always has the `request_id`.

use http::StatusCode;
use serde_json::json;

use crate::http::request::{RequestId, Response, with_type};
use crate::{Code, Error};

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    // An upstream that is too slow is a failed provider like any other.
    let status = if error.code == Code::UpstreamTimeout { StatusCode::BAD_GATEWAY } else { status };
    let mut details = error.details.clone().unwrap_or_default();
    details.insert("request_id".to_owned(), id.0.as_str().into());
    let body = json!({
        "error": { "category": category(error.code), "message": error.message, "details": details },
    });
    with_type(status, "application/json", body.to_string())
}

fn category(code: Code) -> &'static str {
    match code {
        Code::Invalid | Code::MethodNotAllowed | Code::NotAcceptable | Code::TooLarge => "ValidationError",
        Code::Unauthenticated => "Unauthorized",
        Code::Forbidden => "Forbidden",
        Code::NotFound => "NotFound",
        Code::Conflict => "InvalidState",
        Code::Duplicate => "Duplicate",
        Code::Upstream | Code::UpstreamTimeout => "ProviderError",
        Code::NotConfigured | Code::Unavailable => "InitError",
        Code::Internal => "Internal",
    }
}
