//! The ports: the traits that a runtime must implement. `runtimes/` implements them for Cloudflare and Spin,
//! `tests/native` with rusqlite and reqwest, and `tests/port-suite` checks that all implementations behave alike.
//!
//! Architecture invariant: nothing in `shared` or `functions` reads time, randomness, storage or the network except
//! through these traits. Futures need not be `Send`: both runtimes are single-threaded per instance.

mod fetch;
mod rate_limit;
mod sql;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

pub use fetch::{
    BodyStream, Fetch, FetchError, Limits, Outgoing, Release, UpstreamResponse, announced_length, collect,
};
pub use rate_limit::RateLimit;
pub use sql::{Reader, Row, Sql, SqlError, Statement, Value};

use crate::memory::Memory;
pub use crate::time::Timestamp;

/// Reads the time and waits.
#[async_trait(?Send)]
pub trait Clock {
    /// Returns the current time. On workerd the clock stands still between two I/O events.
    fn now(&self) -> Timestamp;
    /// Completes after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// A source of cryptographic randomness.
pub trait Random {
    /// Fills `buffer` with random bytes. Fails if the runtime has no entropy; then no key, token or id may be issued.
    fn fill(&self, buffer: &mut [u8]) -> crate::Result<()>;
}

/// A key-value cache of strings, eventually consistent. Use it through [`crate::kv`], which adds the expiry.
///
/// The cache holds only values that may be stale or lost: never a value that is single-use or revocable, or that its
/// writer must be able to read at once.
#[async_trait(?Send)]
pub trait Kv {
    /// Returns the stored text; `None` if there is none.
    async fn get(&self, key: &str) -> crate::Result<Option<String>>;
    /// Stores `value`. A runtime may drop the entry after `gc_after` (a hint: the expiry that counts is inside the
    /// value).
    async fn put(&self, key: &str, value: &str, gc_after: Duration) -> crate::Result<()>;
    /// Removes the entry; succeeds if there is none.
    async fn delete(&self, key: &str) -> crate::Result<()>;
}

/// Runs work that continues after the response was sent, and although the client has left (`wait_until`, `spawn`).
pub trait Background {
    /// Runs `work` to its end without delaying the response. A runtime may stop the work about 30 s after the response
    /// was sent or the client left; it then polls the future no more, and does not drop it either.
    fn spawn(&self, work: LocalBoxFuture<'static, ()>);
}

/// The client of the request that is being answered.
pub trait Client {
    /// Returns `true` if the client has left, as far as the runtime tells. A runtime that does not tell answers
    /// `false`.
    fn has_left(&self) -> bool;
}

/// A client that never leaves: that of scheduled work, and of runtimes that do not tell.
pub struct Stays;

impl Client for Stays {
    fn has_left(&self) -> bool {
        false
    }
}

/// All ports of a runtime and the memory of the instance, as one request uses them. Cheap to clone.
#[derive(Clone)]
pub struct Ports {
    /// The database.
    pub sql: Rc<dyn Sql>,
    /// The cache.
    pub kv: Rc<dyn Kv>,
    /// Outbound HTTP; call it through [`Ports::fetch`], which enforces the limits.
    pub fetcher: Rc<dyn Fetch>,
    /// The clock.
    pub clock: Rc<dyn Clock>,
    /// The source of randomness.
    pub random: Rc<dyn Random>,
    /// Work after the response.
    pub background: Rc<dyn Background>,
    /// Who waits for the response.
    pub client: Rc<dyn Client>,
    /// Counters of requests.
    pub rate_limit: Rc<dyn RateLimit>,
    /// The values that this WASM instance keeps between requests.
    pub memory: Rc<Memory>,
}

impl Ports {
    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs `work` to its end, also if the caller is dropped, or is not polled any more, because the client has left.
    /// For work that must not be left half done, such as a request that uses up a token and the write of its successor.
    /// Both the caller and [`Background`] drive the work, whichever of them the runtime polls.
    pub async fn finish<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> crate::Result<T> {
        let slot = Rc::new(Cell::new(None));
        let filled = Rc::clone(&slot);
        let shared = async move { filled.set(Some(work.await)) }.boxed_local().shared();
        self.background.spawn(shared.clone().boxed_local());
        shared.await;
        slot.take().ok_or_else(|| crate::Error::internal("finished work has no result"))
    }

    /// Returns `N` random bytes. Fails if the runtime has no entropy.
    pub fn random<const N: usize>(&self) -> crate::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns a random (version 4) UUID. Fails if the runtime has no entropy.
    pub fn uuid(&self) -> crate::Result<uuid::Uuid> {
        Ok(uuid::Builder::from_random_bytes(self.random()?).into_uuid())
    }
}
