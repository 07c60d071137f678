//! The one internal error. It knows nothing of HTTP or JSON-RPC: a dialect (`http::dialect`) renders it.
//!
//! Two texts are kept apart. `message` is public: it may name the caller's own input, never a secret, never a
//! peer's words. `internal` is for the operator's log only and is never rendered.

use std::borrow::Cow;

/// What every fallible function of Postern returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable kinds of failure. Their text form (`Code::as_str`) is part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request's content breaks a rule that the message names.
    Invalid,
    /// No credential, or one that is unknown or expired.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// No such thing, or not one the caller may see.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// No representation that the caller accepts.
    NotAcceptable,
    /// The state of things does not allow it.
    Conflict,
    /// Something of this name or id is already there.
    Duplicate,
    /// The request body is over the route's limit.
    TooLarge,
    /// An upstream failed or answered something unusable.
    Upstream,
    /// An upstream did not answer in time.
    UpstreamTimeout,
    /// A setting that this needs is missing or wrong; the message names it.
    NotConfigured,
    /// The store is overloaded or unreachable: worth trying again.
    Unavailable,
    /// A defect or an unexpected state on our side.
    Internal,
}

impl Code {
    /// The stable text that clients may branch on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "validation_error",
            Self::Unauthenticated => "authentication_required",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::Conflict => "conflict",
            Self::Duplicate => "duplicate",
            Self::TooLarge => "body_too_large",
            Self::Upstream => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NotConfigured => "not_configured",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal_error",
        }
    }
}

/// A failure on its way to a dialect.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Error {
    /// What kind of failure it is.
    pub code: Code,
    /// Public text.
    pub message: Cow<'static, str>,
    /// Operator's text, logged once where the error is rendered.
    pub internal: Option<String>,
    /// The methods that the path has, for `MethodNotAllowed` only.
    pub allow: Option<String>,
    /// Public facts for programs, such as `{"missing": ["API_KEY"]}`.
    pub details: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Error {
    /// An error of `code` with its public text.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), internal: None, allow: None, details: None }
    }

    /// The request's content breaks a rule.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// Nothing there for this caller.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// The present state does not allow it.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// Something of this name or id is already there.
    pub fn duplicate(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Duplicate, message)
    }

    /// Our own fault; `internal` says what happened and is only logged.
    pub fn internal(internal: impl Into<String>) -> Self {
        Self::new(Code::Internal, "internal error").with_internal(internal)
    }

    /// Adds the operator's text.
    #[must_use]
    pub fn with_internal(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }

    /// Adds a public fact.
    #[must_use]
    pub fn with_detail(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.get_or_insert_default().insert(key.to_owned(), value.into());
        self
    }

    /// Whether the same request may succeed later without being changed.
    pub fn retryable(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::UpstreamTimeout)
    }
}
