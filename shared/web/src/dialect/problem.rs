//! RFC 9457 problem details: `{type, title, status, detail}`, with `code` and `instance` (the request id).

use http::StatusCode;
use serde::Serialize;

use super::{Dialect, text};
use crate::failure::Failure;
use crate::request::RequestId;

/// RFC 9457 problem details.
pub struct Problem;

/// Problem details (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails<'a> {
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

impl Dialect for Problem {
    fn name(&self) -> &'static str {
        "Problem"
    }

    fn media_type(&self) -> &'static str {
        "application/problem+json"
    }

    fn body(&self, status: StatusCode, failure: &Failure, id: &RequestId) -> String {
        let detail = match failure {
            // The text of the API whose error form this is.
            Failure::TooLarge { .. } => "request body too large".into(),
            other => other.message(),
        };
        text(&ProblemDetails {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &detail,
            code: failure.code(),
            instance: &id.0,
        })
    }

    #[cfg(not(target_family = "wasm"))]
    fn schema(&self) -> crate::openapi::NamedSchema {
        crate::openapi::named_schema::<ProblemDetails<'_>>()
    }
}
