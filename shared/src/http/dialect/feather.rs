//! Feather errors: `{error: {code, message}, request_id}`. (Feather does not publish the shape of its own.)

use http::StatusCode;
use serde::Serialize;

use crate::Error;
use crate::http::request::{RequestId, Response, with_type};

/// An error of the Feather dialect.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FeatherError<'a> {
    #[schema(inline)]
    error: Failure<'a>,
    /// The request's id, as in the header `X-Request-Id`.
    request_id: &'a str,
}

/// What happened.
#[derive(Serialize, utoipa::ToSchema)]
struct Failure<'a> {
    /// The kind of failure, for programs.
    #[schema(example = "validation_error")]
    code: &'a str,
    /// What is wrong, for people. Never quotes a secret.
    message: &'a str,
}

pub(super) fn render(status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let failure = Failure { code: error.code.as_str(), message: &error.message };
    with_type(status, "application/json", super::text(&FeatherError { error: failure, request_id: &id.0 }))
}
