//! Table `rate_limits`: the counter of requests that all instances share, for runtimes that have no counter of their
//! own.

use std::rc::Rc;

use async_trait::async_trait;
use kernel::Result;
use kernel::digest::sha256_hex;
use kernel::ports::{RateLimit, Sql, Statement, Timestamp};

/// Counts in the database.
pub struct SqlCounter(Rc<dyn Sql>);

/// An instance reports after at most so many requests of a source: an instance on Spin answers only 128 requests in its
/// life.
const LARGEST_STEP: u32 = 16;
/// A limit has at least so many steps.
const STEPS: u32 = 20;

impl SqlCounter {
    /// Counts in the database `sql`.
    pub fn new(sql: Rc<dyn Sql>) -> Self {
        Self(sql)
    }
}

#[async_trait(?Send)]
impl RateLimit for SqlCounter {
    fn step(&self, limit: u32) -> u32 {
        limit.div_ceil(STEPS).clamp(1, LARGEST_STEP)
    }

    async fn report(&self, source: &str, limit: u32, window: Timestamp) -> Result<bool> {
        self.add(source, self.step(limit), limit, window).await
    }
}

impl SqlCounter {
    /// Counts `requests` of `source`. Returns `true` while the source has made at most `limit` requests in the window
    /// that began at `window`.
    pub async fn add(&self, source: &str, requests: u32, limit: u32, window: Timestamp) -> Result<bool> {
        let statement = Statement::new(
            "-- rate_limits.report
            INSERT INTO rate_limits (source, window_start, requests)
            VALUES (?1 /* source */, ?2 /* window */, ?3 /* requests */)
            ON CONFLICT (source) DO UPDATE
            SET requests = CASE WHEN window_start >= excluded.window_start THEN requests ELSE 0 END + excluded.requests,
                window_start = max(window_start, excluded.window_start)
            RETURNING requests",
        );
        let statement = statement.bind(sha256_hex(source.as_bytes())).bind(window).bind(i64::from(requests));
        let rows = self.0.query(statement).await?;
        let requests = rows.into_iter().next().map(|row| row.read().integer()).transpose()?;
        Ok(requests.unwrap_or(0) <= i64::from(limit))
    }
}
