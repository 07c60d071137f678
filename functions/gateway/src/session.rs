//! Sessions of agents up to 2025-11-25. The `Mcp-Session-Id` is a sealed value that contains the whole session and is
//! bound to its caller: nothing is stored, and any instance can read the session.

use kernel::ports::Timestamp;
use kernel::seal::Cell;
use kernel::{Error, Result};
use postern_core::Platform;
use serde::{Deserialize, Serialize};

/// Lifetime of an agent's session.
const LIFETIME: std::time::Duration = std::time::Duration::from_hours(24);

/// What `initialize` negotiated with an agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentSession {
    /// The negotiated revision.
    pub(crate) protocol_version: String,
    /// Whether the agent can open URLs for its user (`elicitation.url`).
    #[serde(default)]
    pub(crate) url_elicitation: bool,
    /// When the session expires, in milliseconds since the Unix epoch.
    pub(crate) expires_at: i64,
}

impl AgentSession {
    /// Returns a session that starts at `now`.
    pub(crate) fn new(protocol_version: &str, url_elicitation: bool, now: Timestamp) -> Self {
        let expires_at = (now + LIFETIME).millis();
        Self { protocol_version: protocol_version.to_owned(), url_elicitation, expires_at }
    }

    /// Returns the `Mcp-Session-Id` of the session, for `subject`.
    pub(crate) fn seal(&self, platform: &Platform, subject: &str) -> Result<String> {
        let plain = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        platform.settings.keys.seal(platform.random.as_ref(), cell(subject), &plain)
    }

    /// Returns the session of an `Mcp-Session-Id`; `None` if the id is forged, expired or another caller's.
    pub(crate) fn open(platform: &Platform, subject: &str, id: &str) -> Option<Self> {
        let plain = platform.settings.keys.open(cell(subject), id)?;
        let session: Self = serde_json::from_slice(plain.expose()).ok()?;
        (platform.now().millis() < session.expires_at).then_some(session)
    }
}

fn cell(subject: &str) -> Cell<'_> {
    Cell { table: "mcp_session", row: "", column: "", owner: subject, within: &[] }
}
