//! The key-value port over Workers KV.

use std::time::Duration;

use async_trait::async_trait;
use kernel::ports::Kv;
use kernel::{Code, Error, Result};
use worker::{Env, KvError, KvStore};

/// Name of the binding in `wrangler.toml`.
const BINDING: &str = "CACHE";
/// Shortest lifetime in seconds that Workers KV accepts. The true expiry is inside the value, so a longer one is
/// harmless.
const SHORTEST_TTL: u64 = 60;

pub(crate) struct WorkerKv(Env);

impl WorkerKv {
    pub(crate) fn new(env: Env) -> Self {
        Self(env)
    }

    fn store(&self) -> Result<KvStore> {
        self.0.kv(BINDING).map_err(|error| {
            Error::new(Code::NotConfigured, "the KV binding CACHE is missing")
                .with_internal(error.to_string())
        })
    }
}

#[async_trait(?Send)]
impl Kv for WorkerKv {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        self.store()?.get(key).text().await.map_err(failed)
    }

    async fn put(&self, key: &str, value: &str, gc_after: Duration) -> Result<()> {
        let ttl = gc_after.as_secs().max(SHORTEST_TTL);
        // A string is stored unchanged: any other type would pass through a serializer that turns maps into `{}`.
        self.store()?.put(key, value).map_err(failed)?.expiration_ttl(ttl).execute().await.map_err(failed)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.store()?.delete(key).await.map_err(failed)
    }
}

#[allow(clippy::needless_pass_by_value)] // `map_err` passes the error by value
fn failed(error: KvError) -> Error {
    Error::new(Code::Unavailable, "the cache is unavailable").with_internal(error.to_string())
}
