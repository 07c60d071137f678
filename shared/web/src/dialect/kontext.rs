//! Kontext errors: `{message, statusCode}`, with `code`, `requestId` and, where there are any, `details` added.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Dialect, text};
use crate::failure::Failure;
use crate::request::RequestId;

/// The Kontext dialect.
pub struct Kontext;

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

impl Dialect for Kontext {
    fn name(&self) -> &'static str {
        "Kontext"
    }

    fn body(&self, status: StatusCode, failure: &Failure, id: &RequestId) -> String {
        text(&KontextError {
            message: &failure.message(),
            status_code: status.as_u16(),
            code: failure.code(),
            request_id: &id.0,
            details: failure.details(),
        })
    }

    #[cfg(not(target_family = "wasm"))]
    fn schema(&self) -> crate::openapi::NamedSchema {
        crate::openapi::named_schema::<KontextError<'_>>()
    }
}
