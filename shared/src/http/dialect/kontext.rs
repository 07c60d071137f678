//! Kontext errors: `{message, statusCode}`, with `code`, `requestId` and, where there are any, `details` added.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Error;
use crate::http::request::{RequestId, Response, with_type};

/// An error of the Kontext dialect.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KontextError<'a> {
    /// What is wrong, for people. Never quotes a secret.
    message: &'a str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status_code: u16,
    /// The kind of failure, for programs.
    #[schema(example = "validation_error")]
    code: &'a str,
    /// The request's id, as in the header `X-Request-Id`.
    request_id: &'a str,
    /// Facts for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<&'a Map<String, Value>>,
}

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let body = KontextError {
        message: &error.message,
        status_code: status.as_u16(),
        code: error.code.as_str(),
        request_id: &id.0,
        details: error.details.as_ref(),
    };
    with_type(status, "application/json", super::text(&body))
}
