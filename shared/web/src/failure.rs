//! Why a request is answered with an error: a failure of the product, or one that only HTTP knows.

use std::borrow::Cow;

use http::StatusCode;
use kernel::{Code, Error, Reason};
use serde_json::{Map, Value};

/// A failure on its way to a [`Dialect`](crate::Dialect).
#[derive(Debug)]
pub enum Failure {
    /// A failure of the product.
    Error(Error),
    /// The path exists and does not have the method (RFC 9110 §15.5.6).
    MethodNotAllowed {
        /// The methods that it has, as in `Allow`.
        allow: String,
    },
    /// The client accepts no form in which the answer could be sent (RFC 9110 §15.5.7).
    NotAcceptable(&'static str),
    /// The body of the request is over the route's limit (RFC 9110 §15.5.14).
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
    /// The kind of failure, for programs: [`Code::as_str`], or one of three texts for what only HTTP knows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Error(error) => error.code.as_str(),
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::NotAcceptable(_) => "not_acceptable",
            Self::TooLarge { .. } => "body_too_large",
        }
    }

    /// The public text.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Error(error) => Cow::Borrowed(&error.message),
            Self::MethodNotAllowed { .. } => Cow::Borrowed("this path does not have that method"),
            Self::NotAcceptable(text) => Cow::Borrowed(text),
            Self::TooLarge { limit } => Cow::Owned(format!("the request body is larger than {limit} bytes")),
        }
    }

    /// Which parts of the request are wrong, where that is known.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Error(error) => &error.reasons,
            _ => &[],
        }
    }

    /// Public facts for programs.
    pub fn details(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Error(error) => error.details.as_ref(),
            _ => None,
        }
    }

    /// Whether the client has to authenticate first.
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Error(error) if error.code == Code::Unauthenticated)
    }

    /// Whether the same request may succeed later without being changed.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Error(error) if error.retryable())
    }

    /// The HTTP status of this failure in a dialect that has no other.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
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
