//! The ports Clock, Random and Background on Cloudflare.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use kernel::ports::{Background, Clock, Random, Timestamp};
use kernel::{Error, Result};

use crate::timer::Timer;

/// JavaScript's clock and timers.
pub(crate) struct WorkerClock;

#[async_trait(?Send)]
impl Clock for WorkerClock {
    #[allow(clippy::cast_possible_truncation)] // whole milliseconds, far below 2^53
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(js_sys::Date::now() as i64)
    }

    async fn sleep(&self, duration: Duration) {
        Timer::new(duration).await;
    }
}

/// Randomness from `crypto.getRandomValues`.
pub(crate) struct WorkerRandom;

impl Random for WorkerRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| Error::internal(error.to_string()))
    }
}

/// Runs a future to its end after the response was sent (`ctx.waitUntil`).
pub type Later = Rc<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// Work after the response, through `ctx.waitUntil`.
pub(crate) struct WaitUntil(pub(crate) Later);

impl Background for WaitUntil {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        (self.0)(work);
    }
}
