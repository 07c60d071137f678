//! Sessions with upstreams of the legacy era: kept in the instance's memory, one per caller and credential, never shared.

use std::rc::Rc;
use std::time::Duration;

use kernel::memory::{Family, Topic};

/// How long an upstream session is reused. It grants nothing: each call is authorized on its own.
pub(super) const SESSION: Duration = Duration::from_mins(30);

/// Sessions with legacy upstreams.
pub(super) struct Sessions;

impl Family for Sessions {
    type Key = Key;
    type Value = Rc<UpstreamSession>;
    const TOPIC: Topic = Topic::Unchanging;
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
