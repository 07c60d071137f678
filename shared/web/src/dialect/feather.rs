//! Feather errors: `{error: {code, message}, request_id}`. (Feather does not publish the form of its own errors.)

use http::StatusCode;
use serde::Serialize;

use super::{Dialect, text};
use crate::failure::Failure;
use crate::request::RequestId;

/// The Feather dialect.
pub struct Feather;

/// An error of the Feather dialect.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FeatherError<'a> {
    #[schema(inline)]
    error: FeatherFailure<'a>,
    /// The request's id, as in the header `X-Request-Id`.
    request_id: &'a str,
}

/// What happened.
#[derive(Serialize, utoipa::ToSchema)]
struct FeatherFailure<'a> {
    /// The kind of failure, for programs.
    #[schema(example = "validation_error")]
    code: &'a str,
    /// What is wrong, for people. Never quotes a secret.
    message: &'a str,
}

impl Dialect for Feather {
    fn name(&self) -> &'static str {
        "Feather"
    }

    fn body(&self, _status: StatusCode, failure: &Failure, id: &RequestId) -> String {
        // Callers of this dialect send their key in a header of its own.
        let message = if failure.is_unauthenticated() {
            "authentication required: send a valid API key in the header x-api-key".into()
        } else {
            failure.message()
        };
        let error = FeatherFailure { code: failure.code(), message: &message };
        text(&FeatherError { error, request_id: &id.0 })
    }

    #[cfg(not(target_family = "wasm"))]
    fn schema(&self) -> crate::openapi::NamedSchema {
        crate::openapi::named_schema::<FeatherError<'_>>()
    }
}
