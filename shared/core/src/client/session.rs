//! Sessions of the legacy era.
//!
//! The one that an agent sees is a sealed, self-contained value bound to its caller: no row, nothing to look up. The one
//! that an upstream gave out is kept in the instance's memory, one per caller and credential, never shared.

use serde::{Deserialize, Serialize};

use kernel::ports::Timestamp;
use kernel::seal::Cell;
use kernel::{Error, Result};
use crate::Platform;

/// How long an agent's session lives.
const LIFETIME: std::time::Duration = std::time::Duration::from_hours(24);

/// What `initialize` settled with an agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSession {
    /// The negotiated revision.
    pub protocol_version: String,
    /// Whether the agent can open URLs for its user (`elicitation.url`).
    #[serde(default)]
    pub url_elicitation: bool,
    /// End of its life, milliseconds since the epoch.
    pub expires_at: i64,
}

impl AgentSession {
    /// A session that starts now.
    pub fn new(protocol_version: &str, url_elicitation: bool, now: Timestamp) -> Self {
        let expires_at = (now + LIFETIME).millis();
        Self { protocol_version: protocol_version.to_owned(), url_elicitation, expires_at }
    }

    /// The `Mcp-Session-Id` for `subject`.
    pub fn seal(&self, platform: &Platform, subject: &str) -> Result<String> {
        let plain = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        platform.settings.keys.seal(platform.random.as_ref(), cell(subject), &plain)
    }

    /// Reads an `Mcp-Session-Id`; `None` when it is forged, expired or another caller's.
    pub fn open(platform: &Platform, subject: &str, id: &str) -> Option<Self> {
        let plain = platform.settings.keys.open(cell(subject), id)?;
        let session: Self = serde_json::from_slice(plain.expose()).ok()?;
        (platform.now().millis() < session.expires_at).then_some(session)
    }
}

fn cell(subject: &str) -> Cell<'_> {
    Cell { table: "mcp_session", row: "", column: "", owner: subject }
}

/// What tells upstream sessions apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The integration.
    pub integration_id: String,
    /// Its endpoint: another one has other sessions.
    pub url: String,
    /// The caller's subject.
    pub owner: String,
    /// The credential presented when it was opened.
    pub credential: Option<String>,
    /// The header templates that it went into.
    pub headers: Option<String>,
}

/// A session with a legacy upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSession {
    /// `Mcp-Session-Id`; upstreams may do without.
    pub id: Option<String>,
    /// The negotiated revision.
    pub protocol_version: String,
}
