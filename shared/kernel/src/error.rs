//! The error type of all crates. It contains nothing of HTTP or JSON-RPC: the web crate's dialects render it.
//!
//! An error has two texts. `message` is public: it may quote the caller's own input, but never a secret or a text of a
//! peer. `internal` is for the operator's log only and is never sent to a client.

use std::borrow::Cow;

/// The result of Postern's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable kinds of failure. Their text form (`Code::as_str`) is part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request's content breaks a rule that the message names.
    Invalid,
    /// The request has no credential, or one that is unknown or expired.
    Unauthenticated,
    /// The caller is authenticated, but may not do this.
    Forbidden,
    /// The thing that the request names does not exist, or the caller may not see it.
    NotFound,
    /// The present state does not allow what the request asks for.
    Conflict,
    /// A thing with this name or id already exists.
    Duplicate,
    /// An upstream failed or sent an unusable answer.
    Upstream,
    /// An upstream did not answer in time.
    UpstreamTimeout,
    /// A setting that the request needs is missing or wrong; the message names the setting.
    NotConfigured,
    /// The database is overloaded or unreachable; the request may succeed later.
    Unavailable,
    /// A defect of Postern's, or a state that should not occur.
    Internal,
}

impl Code {
    /// Returns the stable text that clients may branch on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "validation_error",
            Self::Unauthenticated => "authentication_required",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Duplicate => "duplicate",
            Self::Upstream => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NotConfigured => "not_configured",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal_error",
        }
    }
}

/// One mistake in a request's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The kind of mistake, for programs.
    pub code: &'static str,
    /// The field, as a path through the body (`oauth.issuer`), or the name of a parameter.
    pub field: String,
    /// What is wrong, without the field's name. Public, like [`Error::message`].
    pub message: Cow<'static, str>,
}

/// A failure, as functions return it and a dialect renders it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// The public text.
    pub message: Cow<'static, str>,
    /// The text for the operator, logged once, where the error is rendered.
    pub internal: Option<String>,
    /// The mistakes in the request's content, as far as they are known.
    pub reasons: Vec<Reason>,
    /// Public facts for programs, such as `{"missing": ["API_KEY"]}`.
    pub details: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Error {
    /// Creates an error with the public text `message`.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), internal: None, reasons: Vec::new(), details: None }
    }

    /// Creates the error for content that breaks a rule.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// Creates the error for the field `field`, which breaks `rule`. The public text joins both: "name is required".
    pub fn invalid_field(field: &str, rule: impl Into<Cow<'static, str>>) -> Self {
        let rule = rule.into();
        let message = format!("{field} {rule}");
        Self::invalid(message).with_reason(field, rule)
    }

    /// Creates the error for a thing that does not exist, or that this caller may not see.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// Creates the error for a request that the present state does not allow.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// Creates the error for a name or id that is already taken.
    pub fn duplicate(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Duplicate, message)
    }

    /// Creates the error for a defect of Postern's; `internal` says what happened and is only logged.
    pub fn internal(internal: impl Into<String>) -> Self {
        Self::new(Code::Internal, "internal error").with_internal(internal)
    }

    /// Adds the text for the operator.
    #[must_use]
    pub fn with_internal(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }

    /// Adds a field that is wrong, and what is wrong with it.
    #[must_use]
    pub fn with_reason(mut self, field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        let code = self.code.as_str();
        self.reasons.push(Reason { code, field: field.into(), message: message.into() });
        self
    }

    /// Adds a public fact for programs.
    #[must_use]
    pub fn with_detail(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.get_or_insert_default().insert(key.to_owned(), value.into());
        self
    }

    /// Returns code, public text and operator's text, for the log. Never sent to a client.
    pub fn report(&self) -> String {
        match &self.internal {
            Some(internal) => format!("{self} ({internal})"),
            None => self.to_string(),
        }
    }

    /// Returns `true` if the same request may succeed later without being changed.
    pub fn retryable(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::UpstreamTimeout)
    }
}
