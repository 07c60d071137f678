//! The ports Clock, Random and Background on WASI.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use kernel::ports::{Background, Clock, Random, Timestamp};
use kernel::{Error, Result};

/// WASI's clocks.
pub(crate) struct SpinClock;

#[async_trait(?Send)]
impl Clock for SpinClock {
    #[allow(clippy::disallowed_methods)] // this is the Clock port, and WASI has a clock
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(0) + now
    }

    async fn sleep(&self, duration: Duration) {
        spin_sdk::time::sleep(duration).await;
    }
}

/// Randomness from `wasi:random`.
pub(crate) struct SpinRandom;

impl Random for SpinRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| Error::internal(error.to_string()))
    }
}

/// Work after the response, as a task that the instance finishes.
pub(crate) struct Spawn;

impl Background for Spawn {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        spin_sdk::wasip3::spawn(work);
    }
}
