//! The port `RateLimit` over Workers' rate-limit binding, which counts per Cloudflare location and near the Worker, without
//! D1; over the database where `wrangler.toml` has no such binding.
//!
//! The binding counts calls up to a number that `wrangler.toml` fixes. Postern reports steps, of which every limit has as
//! many as the binding counts, so the limits themselves stay settings.

use std::rc::Rc;

use async_trait::async_trait;
use kernel::ports::{RateLimit, Sql, Timestamp};
use kernel::{Code, Error, Result};
use postern_core::store::rate_limits::SqlCounter;
use worker::{Env, RateLimiter};

/// Name of the binding in `wrangler.toml`.
const BINDING: &str = "RATE_LIMIT";
/// How many steps the binding admits in a minute: its `limit` in `wrangler.toml`.
const STEPS: u32 = 20;

/// Returns the binding or, if there is none, a counter in the database.
pub(crate) fn counter(env: &Env, sql: &Rc<dyn Sql>) -> Rc<dyn RateLimit> {
    Rc::new(Counter { env: env.clone(), sql: SqlCounter::new(Rc::clone(sql)) })
}

/// Looks for the binding at each report, of which there are few: looking costs a call into JavaScript.
struct Counter {
    env: Env,
    sql: SqlCounter,
}

#[async_trait(?Send)]
impl RateLimit for Counter {
    fn step(&self, limit: u32) -> u32 {
        limit.div_ceil(STEPS).max(1)
    }

    async fn report(&self, source: &str, limit: u32, window: Timestamp) -> Result<bool> {
        match self.env.rate_limiter(BINDING) {
            Ok(binding) => report(&binding, source).await,
            Err(_) => self.sql.add(source, self.step(limit), limit, window).await,
        }
    }
}

async fn report(binding: &RateLimiter, source: &str) -> Result<bool> {
    let outcome = binding.limit(source.to_owned()).await.map_err(|error| {
        Error::new(Code::Unavailable, "the rate limiter is unavailable").with_internal(error.to_string())
    })?;
    Ok(outcome.success)
}
