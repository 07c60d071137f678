//! Postern as an OAuth client: gets, renews and revokes tokens for upstream MCP servers (MCP authorization,
//! 2026-07-28).
//!
//! How a grant comes about: `discovery` finds the authorization server (`protected_resource`, `server_metadata`) and
//! Postern's client there (`client`) and its redirect URI (`redirect`); `flow` sends a person to the server; `callback`
//! exchanges the code that comes back for tokens (`tokens`); `confirmation` asks the person where no browser was bound;
//! `refresh` renews the tokens. `rejected_token` says what follows when an upstream refuses a token.

pub mod browser;
pub mod callback;
pub mod client;
pub mod client_credentials;
pub mod confirmation;
pub mod disconnect;
pub mod discovery;
pub mod ended_owners;
pub mod flow;
mod grant;
pub mod http;
pub mod outcome;
pub mod protected_resource;
pub mod receipt;
mod redirect;
pub mod refresh;
pub mod rejected_token;
mod scopes;
pub mod server_metadata;
pub mod ticket;
pub mod tokens;

use std::borrow::Cow;

use kernel::{Code, Error};

/// Why an exchange with an authorization server failed. The text is Postern's own, never the peer's.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// The failure may pass: a later attempt can succeed.
    #[error("{0}")]
    Transient(Cow<'static, str>),
    /// The grant or the client is no longer valid (RFC 6749 §5.2). Holds the error code.
    #[error("the authorization server answered {0}")]
    Terminal(&'static str),
    /// The exchange cannot succeed as things are configured.
    #[error("{0}")]
    Unusable(Cow<'static, str>),
    /// A failure inside Postern.
    #[error("internal error")]
    Internal(#[from] Error),
}

impl OauthError {
    pub(crate) fn transient(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Transient(text.into())
    }

    pub(crate) fn unusable(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Unusable(text.into())
    }

    pub(crate) fn terminal(code: &'static str) -> Self {
        Self::Terminal(code)
    }

    /// Returns `true` if a later attempt can succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// Returns `true` if the grant or the client is no longer valid.
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
