//! The reasons to answer a request with an error: an error of the product, or one that only HTTP has.

use std::borrow::Cow;

use http::StatusCode;
use kernel::{Code, Error, Reason};
use serde_json::{Map, Value};

/// A failure, which a [`Dialect`](crate::Dialect) renders.
#[derive(Debug)]
pub enum Failure {
    /// An error of the product.
    Error(Error),
    /// The path exists, but not with this method (RFC 9110 §15.5.6).
    MethodNotAllowed {
        /// The path's methods, in the form of `Allow`.
        allow: String,
    },
    /// The client accepts no media type in which the answer could be sent (RFC 9110 §15.5.7).
    NotAcceptable(&'static str),
    /// The caller, or the client's address, has made too many requests (RFC 6585 §4).
    TooMany {
        /// Seconds until the next request is admitted.
        retry_after: i64,
    },
    /// The request's body is larger than the route's limit (RFC 9110 §15.5.14).
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// Returns the kind of failure, for programs: [`Code::as_str`], or one of four texts for the failures of HTTP.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Error(error) => error.code.as_str(),
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::NotAcceptable(_) => "not_acceptable",
            Self::TooMany { .. } => "rate_limited",
            Self::TooLarge { .. } => "body_too_large",
        }
    }

    /// Returns the public text.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Error(error) => Cow::Borrowed(&error.message),
            Self::MethodNotAllowed { .. } => Cow::Borrowed("this path does not have that method"),
            Self::NotAcceptable(text) => Cow::Borrowed(text),
            Self::TooMany { retry_after } => {
                Cow::Owned(format!("too many requests: try again in {retry_after} s"))
            }
            Self::TooLarge { limit } => Cow::Owned(format!("the request body is larger than {limit} bytes")),
        }
    }

    /// Returns the mistakes in the request's content, as far as they are known.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Error(error) => &error.reasons,
            _ => &[],
        }
    }

    /// Returns the public facts for programs.
    pub fn details(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Error(error) => error.details.as_ref(),
            _ => None,
        }
    }

    /// Returns `true` if the client has to authenticate first.
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Error(error) if error.code == Code::Unauthenticated)
    }

    /// Returns after how many seconds the same request may succeed, if it may succeed later without being changed.
    pub fn retry_after(&self) -> Option<i64> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::Error(error) if error.retryable() => Some(5),
            _ => None,
        }
    }

    /// Returns the HTTP status, for dialects that have no status of their own for this failure.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Error(error) => match error.code {
                Code::Invalid => StatusCode::BAD_REQUEST,
                Code::Unauthenticated => StatusCode::UNAUTHORIZED,
                Code::Forbidden => StatusCode::FORBIDDEN,
                Code::NotFound => StatusCode::NOT_FOUND,
                Code::Conflict | Code::Duplicate => StatusCode::CONFLICT,
                Code::Upstream => StatusCode::BAD_GATEWAY,
                Code::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
                Code::NotConfigured | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}
