//! The port that counts requests across the instances of a deployment.

use async_trait::async_trait;

use crate::time::Timestamp;

/// Counts the requests of one source (a caller, a client address) across all instances, in windows of a minute.
///
/// Instances count by themselves and report only steps, so that most requests reach no store. Counters may be
/// approximate, and a lost one does no harm.
#[async_trait(?Send)]
pub trait RateLimit {
    /// Returns the size of a step: how many of the `limit` requests of a window an instance counts before it reports
    /// them. At least 1.
    fn step(&self, limit: u32) -> u32;
    /// Counts one more step of `source`. Returns `true` while the source has made at most `limit` requests in the
    /// window that began at `window`.
    async fn report(&self, source: &str, limit: u32, window: Timestamp) -> crate::Result<bool>;
}
