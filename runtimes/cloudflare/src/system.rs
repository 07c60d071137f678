//! The ports Clock, Random and Background on Cloudflare.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use kernel::ports::{Background, Client, Clock, Random, Timestamp};
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

/// The client of a request, or of none.
pub type Caller = Rc<dyn Client>;

/// The client of a request, as the request's signal tells (compatibility flag `enable_request_signal`).
pub(crate) struct Signalled(pub(crate) worker::web_sys::Request);

impl Client for Signalled {
    fn has_left(&self) -> bool {
        self.0.signal().aborted()
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
