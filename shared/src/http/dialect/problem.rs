//! RFC 9457 problem details: `{type, title, status, detail}`, with `code` and `instance` (the request id).

use http::StatusCode;
use serde::Serialize;

use crate::Error;
use crate::http::request::{RequestId, Response, with_type};

/// Problem details (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
pub struct Problem<'a> {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'a str,
    /// The status in words.
    title: &'a str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, for people.
    detail: &'a str,
    /// The kind of failure, for programs.
    #[schema(example = "not_configured")]
    code: &'a str,
    /// The request's id, as in the header `X-Request-Id`.
    instance: &'a str,
}

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let body = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: &error.message,
        code: error.code.as_str(),
        instance: &id.0,
    };
    with_type(status, "application/problem+json", super::text(&body))
}
