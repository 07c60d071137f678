//! The one internal error. It knows nothing of HTTP or JSON-RPC: the web crate's dialects render it.
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
    /// The state of things does not allow it.
    Conflict,
    /// Something of this name or id is already there.
    Duplicate,
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

/// One thing that is wrong with a request's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The kind of mistake, for programs.
    pub code: &'static str,
    /// The field, as a path through the body (`oauth.issuer`), or the name of a parameter.
    pub field: String,
    /// What is wrong, without the field's name. Public, like [`Error::message`].
    pub message: Cow<'static, str>,
}

/// A failure on its way to a dialect.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Error {
    /// What kind of failure it is.
    pub code: Code,
    /// Public text.
    pub message: Cow<'static, str>,
    /// Operator's text, logged once where the error is rendered.
    pub internal: Option<String>,
    /// Which parts of the request's content are wrong, where that is known.
    pub reasons: Vec<Reason>,
    /// Public facts for programs, such as `{"missing": ["API_KEY"]}`.
    pub details: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Error {
    /// An error of `code` with its public text.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), internal: None, reasons: Vec::new(), details: None }
    }

    /// The request's content breaks a rule.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// The field `field` of the request breaks a rule: "`field` `rule`" is the public text, as in "name is required".
    pub fn invalid_field(field: &str, rule: impl Into<Cow<'static, str>>) -> Self {
        let rule = rule.into();
        let message = format!("{field} {rule}");
        Self::invalid(message).with_reason(field, rule)
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

    /// A defect of Postern's; `internal` says what happened and is only logged.
    pub fn internal(internal: impl Into<String>) -> Self {
        Self::new(Code::Internal, "internal error").with_internal(internal)
    }

    /// Adds the operator's text.
    #[must_use]
    pub fn with_internal(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }

    /// Names a field that is wrong.
    #[must_use]
    pub fn with_reason(mut self, field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        let code = self.code.as_str();
        self.reasons.push(Reason { code, field: field.into(), message: message.into() });
        self
    }

    /// Adds a public fact.
    #[must_use]
    pub fn with_detail(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.get_or_insert_default().insert(key.to_owned(), value.into());
        self
    }

    /// The error with the operator's text, for the log. Never shown to a client.
    pub fn report(&self) -> String {
        match &self.internal {
            Some(internal) => format!("{self} ({internal})"),
            None => self.to_string(),
        }
    }

    /// Whether the same request may succeed later without being changed.
    pub fn retryable(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::UpstreamTimeout)
    }
}
