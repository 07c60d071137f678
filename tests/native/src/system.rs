//! A clock that tests can move, the system's randomness, and background work that tests can wait for.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{LocalBoxFuture, join_all};
use kernel::ports::{Background, Client, Clock, Random, Timestamp};
use kernel::{Error, Result};

/// Real time plus the time that a test has added.
#[derive(Default)]
pub struct TestClock(Cell<Duration>);

impl TestClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.set(self.0.get() + by);
    }
}

#[async_trait(?Send)]
impl Clock for TestClock {
    #[allow(clippy::disallowed_methods)] // this is the implementation of the Clock port
    fn now(&self) -> Timestamp {
        let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(0) + real + self.0.get()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's random generator.
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| Error::internal(error.to_string()))
    }
}

/// A client that leaves when the test says so.
#[derive(Default)]
pub struct TestClient(Cell<bool>);

impl TestClient {
    /// Lets the client leave.
    pub fn leave(&self) {
        self.0.set(true);
    }
}

impl Client for TestClient {
    fn has_left(&self) -> bool {
        self.0.get()
    }
}

/// How long work for after the response may take. What is not done then is cut off as Cloudflare cuts off `waitUntil`:
/// it is not dropped, so no destructor runs, it is just never continued.
const LONGEST: Duration = Duration::from_secs(30);

/// Work for after the response, which waits until the test lets it run.
#[derive(Default)]
pub struct Later(RefCell<Vec<LocalBoxFuture<'static, ()>>>);

impl Later {
    /// Forgets all the work without dropping it.
    pub fn cut_off(&self) {
        self.0.take().into_iter().for_each(std::mem::forget);
    }

    /// Runs all the work that was left for after the response, and the work that this leaves in turn.
    pub async fn settle(&self) {
        loop {
            let work = self.0.take();
            if work.is_empty() {
                return;
            }
            join_all(work.into_iter().map(cut)).await;
        }
    }
}

async fn cut(mut work: LocalBoxFuture<'static, ()>) {
    if tokio::time::timeout(LONGEST, &mut work).await.is_err() {
        std::mem::forget(work);
    }
}

impl Background for Later {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        self.0.borrow_mut().push(work);
    }
}
