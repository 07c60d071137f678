//! What one WASM instance remembers between requests.
//!
//! Architecture invariant: plain values only, never a future, a stream or a handle that belongs to a request. What
//! could outlive a revocation expires after [`FRESH`]. Every key carries the owner of what it leads to.
//!
//! The audit queue is the one place where data of several requests meets: rows wait here (at most 1 s) so that
//! concurrent calls share a write; see `store::audit_events`.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Duration;

use crate::mcp::session::UpstreamSession;
use crate::model::api_key::ApiKey;
use crate::model::target::Target;
use crate::platform::Timestamp;
use crate::store::audit_events::Queue;

/// How long a cached row may be used without looking again: the longest that a revocation takes to be seen
/// everywhere. The instance that writes sees it at once.
pub const FRESH: Duration = Duration::from_secs(5);
/// How long an upstream session is reused. It grants nothing: each call is authorized on its own.
pub const SESSION: Duration = Duration::from_mins(30);

/// The memory of one instance. Create one per instance and hand it to every [`crate::Platform`].
#[derive(Default)]
pub struct Instance {
    /// API keys by public id.
    pub api_keys: Cache<String, Rc<ApiKey>>,
    /// Call targets by [`crate::store::targets::Key`].
    pub targets: Cache<crate::store::targets::Key, Rc<Target>>,
    /// Slugs by what a URL calls the integration (slug or UUID).
    pub slugs: Cache<String, Rc<str>>,
    /// Rendered `tools/list` pages.
    pub tool_pages: Cache<crate::mcp::catalogue::PageKey, Rc<crate::mcp::catalogue::Page>>,
    /// Sessions with legacy upstreams.
    pub upstream_sessions: Cache<crate::mcp::session::Key, Rc<UpstreamSession>>,
    /// Audit rows that are not written yet.
    pub audit: Queue,
}

impl Instance {
    /// Forgets what calls lead to, credentials included.
    pub fn forget_targets(&self) {
        self.targets.clear();
    }

    /// Forgets every row of the registry; called after each write to it.
    pub fn forget_integrations(&self) {
        self.forget_targets();
        self.slugs.clear();
        self.tool_pages.clear();
    }
}

/// A small map whose entries expire.
pub struct Cache<K, V>(RefCell<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(RefCell::new(HashMap::new()))
    }
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Entries at most; when full, everything expired goes, and if that is nothing, everything.
    const CAPACITY: usize = 1024;

    /// The value, while it is fresh.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: Timestamp) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.borrow().get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// Keeps `value` for `ttl`.
    pub fn put(&self, key: K, value: V, now: Timestamp, ttl: Duration) {
        let mut map = self.0.borrow_mut();
        if map.len() >= Self::CAPACITY {
            map.retain(|_, (until, _)| now < *until);
            if map.len() >= Self::CAPACITY {
                map.clear();
            }
        }
        map.insert(key, (now + ttl, value));
    }

    /// Forgets one entry.
    pub fn remove<Q: Eq + Hash + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.borrow_mut().remove(key);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_expire_and_the_map_stays_small() {
        let cache = Cache::<u32, u32>::default();
        let start = Timestamp::from_millis(0);
        for key in 0..5000 {
            cache.put(key, key, start, FRESH);
        }
        assert!(cache.0.borrow().len() <= Cache::<u32, u32>::CAPACITY);
        assert_eq!(cache.get(&4999, start), Some(4999));
        assert_eq!(cache.get(&4999, start + FRESH), None);
        cache.remove(&4999);
        assert_eq!(cache.get(&4999, start), None);
    }
}
