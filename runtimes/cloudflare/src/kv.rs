//! The key-value port over Workers KV.

use std::time::Duration;

use async_trait::async_trait;
use kernel::ports::Kv;
use kernel::{Code, Error, Result};
use worker::{Env, KvError, KvStore};

/// Name of the binding.
const BINDING: &str = "CACHE";
/// KV refuses shorter lives; the true expiry is inside the value.
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
        // A string goes in as it is: anything else would pass through a serializer that turns maps into `{}`.
        self.store()?.put(key, value).map_err(failed)?.expiration_ttl(ttl).execute().await.map_err(failed)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.store()?.delete(key).await.map_err(failed)
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape that map_err wants
fn failed(error: KvError) -> Error {
    Error::new(Code::Unavailable, "the cache is unavailable").with_internal(error.to_string())
}
