//! The ports: what a runtime must provide. `runtimes/` binds them to Cloudflare and to Spin, `tests/native` to
//! rusqlite, and `port_suite` holds all of them to the same behaviour.
//!
//! Architecture invariant: nothing in `shared` or `functions` reads time, randomness, storage or the network except
//! through these traits. Futures need not be `Send`: both runtimes are single-threaded per instance.

mod fetch;
mod sql;

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;

pub use fetch::{
    BodyStream, Fetch, FetchError, Limits, Outgoing, Release, UpstreamResponse, announced_length, collect,
};
pub use sql::{Reader, Row, Sql, SqlError, Statement, Value};

use crate::memory::Memory;
pub use crate::time::Timestamp;

/// Reads the time and waits.
#[async_trait(?Send)]
pub trait Clock {
    /// Milliseconds since the Unix epoch. On workerd it stands still between two I/O events.
    fn now(&self) -> Timestamp;
    /// Completes after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// Cryptographic randomness.
pub trait Random {
    /// Fills `buffer`; an error means that the runtime has no entropy and nothing may be issued.
    fn fill(&self, buffer: &mut [u8]) -> crate::Result<()>;
}

/// Key-value cache: eventually consistent strings. Use it through [`crate::kv`], which adds the expiry.
///
/// Holds only what may be stale or lost; never anything single-use, revocable or read-your-writes.
#[async_trait(?Send)]
pub trait Kv {
    /// The stored text, or `None`.
    async fn get(&self, key: &str) -> crate::Result<Option<String>>;
    /// Stores `value`. `gc_after` lets a runtime drop the entry after that long (a hint; the true expiry is in
    /// the value).
    async fn put(&self, key: &str, value: &str, gc_after: Duration) -> crate::Result<()>;
    /// Removes the entry; removing nothing is fine.
    async fn delete(&self, key: &str) -> crate::Result<()>;
}

/// Work that goes on after the response was sent (`wait_until`, `spawn`).
pub trait Background {
    /// Runs `work` to its end without delaying the response. The runtime may cut it off after about 30 s.
    fn spawn(&self, work: LocalBoxFuture<'static, ()>);
}

/// One request's view of its runtime: every port, and what the instance remembers. Cheap to clone.
#[derive(Clone)]
pub struct Ports {
    /// The database.
    pub sql: Rc<dyn Sql>,
    /// The cache.
    pub kv: Rc<dyn Kv>,
    /// Outbound HTTP; call it through [`Ports::fetch`], which enforces the limits.
    pub fetcher: Rc<dyn Fetch>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Randomness.
    pub random: Rc<dyn Random>,
    /// After-response work.
    pub background: Rc<dyn Background>,
    /// What this WASM instance remembers between requests.
    pub memory: Rc<Memory>,
}

impl Ports {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> crate::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> crate::Result<uuid::Uuid> {
        Ok(uuid::Builder::from_random_bytes(self.random()?).into_uuid())
    }
}
