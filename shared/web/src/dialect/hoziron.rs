//! Hoziron errors: `{error: {category, message, details}}`; `details` always has the `request_id`.

use http::StatusCode;
use kernel::Code;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Dialect, text};
use crate::failure::Failure;
use crate::request::RequestId;

/// The Hoziron dialect.
pub struct Hoziron;

/// An error of the Hoziron dialect.
#[derive(Serialize, utoipa::ToSchema)]
pub struct HozironError<'a> {
    #[schema(inline)]
    error: HozironFailure<'a>,
}

/// What happened.
#[derive(Serialize, utoipa::ToSchema)]
struct HozironFailure<'a> {
    /// The kind of failure, for programs.
    category: Category,
    /// What is wrong, for people. Never quotes a secret.
    message: &'a str,
    #[schema(inline)]
    details: Details<'a>,
}

/// Facts for programs, such as the keys of `missing` credentials.
#[derive(Serialize, utoipa::ToSchema)]
struct Details<'a> {
    /// The request's id, as in the header `X-Request-Id`.
    request_id: &'a str,
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Value>)]
    more: Option<&'a Map<String, Value>>,
}

/// The kind of a Hoziron error.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[schema(as = HozironCategory)]
enum Category {
    /// The request breaks a rule that the message names.
    ValidationError,
    /// No credential, or one that is unknown or expired.
    Unauthorized,
    /// The caller is known and may not do this.
    Forbidden,
    /// No such thing.
    NotFound,
    /// The present state does not allow it.
    InvalidState,
    /// Something of this id or name is already installed.
    Duplicate,
    /// Too many requests within a minute.
    RateLimited,
    /// The upstream failed or is too slow.
    ProviderError,
    /// Postern is not configured or not ready.
    InitError,
    /// A defect.
    Internal,
}

impl Dialect for Hoziron {
    fn name(&self) -> &'static str {
        "Hoziron"
    }

    /// A timeout of an upstream is 502 like every other failure of an upstream, since both have the category
    /// `ProviderError`.
    fn status(&self, failure: &Failure) -> StatusCode {
        match failure {
            Failure::Error(error) if error.code == Code::UpstreamTimeout => StatusCode::BAD_GATEWAY,
            other => other.status(),
        }
    }

    fn body(&self, _status: StatusCode, failure: &Failure, id: &RequestId) -> String {
        let details = Details { request_id: &id.0, more: failure.details() };
        let error = HozironFailure { category: category(failure), message: &failure.message(), details };
        text(&HozironError { error })
    }

    #[cfg(not(target_family = "wasm"))]
    fn schema(&self) -> crate::openapi::NamedSchema {
        crate::openapi::named_schema::<HozironError<'_>>()
    }
}

fn category(failure: &Failure) -> Category {
    let error = match failure {
        Failure::Error(error) => error,
        Failure::TooMany { .. } => return Category::RateLimited,
        _ => return Category::ValidationError,
    };
    match error.code {
        Code::Invalid => Category::ValidationError,
        Code::Unauthenticated => Category::Unauthorized,
        Code::Forbidden => Category::Forbidden,
        Code::NotFound => Category::NotFound,
        Code::Conflict => Category::InvalidState,
        Code::Duplicate => Category::Duplicate,
        Code::Upstream | Code::UpstreamTimeout => Category::ProviderError,
        Code::NotConfigured | Code::Unavailable => Category::InitError,
        Code::Internal => Category::Internal,
    }
}
