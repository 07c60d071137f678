//! The agent: the MCP client that sent a message, as far as Postern knows it.

use http::HeaderMap;
use mcp::message::RawObject;
use mcp::{Era, headers};
use postern_core::Platform;
use postern_core::auth::Caller;
use serde_json::value::RawValue;

use crate::session::AgentSession;

/// An MCP client.
pub(crate) struct Agent<'a> {
    /// The caller on whose behalf the agent acts.
    pub(crate) caller: &'a Caller,
    /// The era of MCP that the agent speaks.
    pub(crate) era: Era,
    /// The agent's session, if its request names one; only agents up to 2025-11-25 have sessions.
    session: Option<AgentSession>,
}

/// The error for a request whose session belongs to another caller, is forged, or has expired.
pub(crate) struct UnknownSession;

impl<'a> Agent<'a> {
    /// Returns an agent up to 2025-11-25. A session is optional, because every request can be answered without one; a
    /// session that the request names must be this caller's.
    pub(crate) fn legacy(
        platform: &Platform,
        caller: &'a Caller,
        headers: &HeaderMap,
    ) -> Result<Self, UnknownSession> {
        let session = match headers.get(headers::SESSION_ID) {
            None => None,
            Some(id) => {
                let opened =
                    id.to_str().ok().and_then(|id| AgentSession::open(platform, &caller.subject, id));
                Some(opened.ok_or(UnknownSession)?)
            }
        };
        Ok(Self { caller, era: Era::Legacy, session })
    }

    /// Returns an agent of 2026-07-28.
    pub(crate) fn modern(caller: &'a Caller) -> Self {
        Self { caller, era: Era::Modern, session: None }
    }

    /// Whether the agent can open URLs for its user. Agents up to 2025-11-25 declare that once, in `initialize`;
    /// agents of 2026-07-28 declare it with each request, in the client capabilities `declared`.
    pub(crate) fn opens_urls(&self, declared: Option<&RawValue>) -> bool {
        match self.era {
            Era::Modern => declared.is_some_and(opens_urls),
            Era::Legacy => self.session.as_ref().is_some_and(|session| session.url_elicitation),
        }
    }
}

/// Whether client capabilities have an object `elicitation.url`.
pub(crate) fn opens_urls(capabilities: &RawValue) -> bool {
    let member = |object: &RawValue, key: &str| Some(RawObject::parse(object.get())?.get(key)?.to_owned());
    let url = member(capabilities, "elicitation").and_then(|elicitation| member(&elicitation, "url"));
    url.is_some_and(|url| url.get().starts_with('{'))
}
