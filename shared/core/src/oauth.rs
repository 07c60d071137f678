//! How Postern, as an OAuth client, gets and keeps tokens for upstream MCP servers (MCP authorization, 2026-07-28).
//!
//! The way of a grant: `discovery` finds out who issues tokens (`protected_resource`, `server_metadata`) and who Postern is
//! to them (`client`); `flow` sends a person there and `callback` takes what comes back to `tokens`; `refresh` keeps it alive.
//! `refusal` says what an upstream that turns a token down wants instead.

pub mod callback;
pub mod client;
pub mod client_credentials;
pub mod disconnect;
pub mod discovery;
pub mod flow;
mod grant;
pub mod http;
pub mod protected_resource;
pub mod refresh;
pub mod refusal;
pub mod server_metadata;
pub mod ticket;
pub mod tokens;

use std::borrow::Cow;

use kernel::{Code, Error};

/// Why something with an authorization server did not work. The text is Postern's own, never the peer's.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// It may work later.
    #[error("{0}")]
    Transient(Cow<'static, str>),
    /// The grant or the client is gone (RFC 6749 §5.2); the error code.
    #[error("the authorization server answered {0}")]
    Terminal(&'static str),
    /// It will not work as things are configured.
    #[error("{0}")]
    Refused(Cow<'static, str>),
    /// Our own failure.
    #[error("internal error")]
    Internal(#[from] Error),
}

impl OauthError {
    pub(crate) fn transient(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Transient(text.into())
    }

    pub(crate) fn refused(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(text.into())
    }

    pub(crate) fn terminal(code: &'static str) -> Self {
        Self::Terminal(code)
    }

    /// Whether trying again later makes sense.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// Whether the grant or the client is gone.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }
}

impl From<OauthError> for Error {
    fn from(error: OauthError) -> Self {
        match error {
            OauthError::Internal(error) => error,
            other => Error::new(Code::Upstream, other.to_string()),
        }
    }
}
