//! Sessions with legacy upstreams: kept in the instance's memory, one per caller and credential, and never shared.

use std::rc::Rc;
use std::time::Duration;

use kernel::memory::{Family, Topic};

/// How long a session with an upstream is reused. A session gives a caller no rights: each call is authorized by
/// itself.
pub(super) const SESSION: Duration = Duration::from_mins(30);

/// Sessions with legacy upstreams.
pub(super) struct Sessions;

impl Family for Sessions {
    type Key = Key;
    type Value = Rc<UpstreamSession>;
    const TOPIC: Topic = Topic::Unchanging;

    fn bytes(key: &Key, session: &Rc<UpstreamSession>) -> usize {
        let optional = [&key.credential, &key.headers, &session.id].into_iter().flatten().map(String::len);
        key.url.len() + key.owner.len() + optional.sum::<usize>()
    }
}

/// The key of a session: two requests share a session only if all of this is equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The integration.
    pub integration_id: String,
    /// The integration's endpoint, which a session belongs to.
    pub url: String,
    /// The caller's subject.
    pub owner: String,
    /// The sealed credential that was presented when the session was opened.
    pub credential: Option<String>,
    /// The sealed header templates that the credential was presented in.
    pub headers: Option<String>,
}

/// A session with a legacy upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSession {
    /// The `Mcp-Session-Id`; an upstream may do without one.
    pub id: Option<String>,
    /// The negotiated revision.
    pub protocol_version: String,
}
