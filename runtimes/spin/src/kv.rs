//! The key-value port over Spin's store `default`. The store itself drops no entry: only the expiry inside a value
//! counts.

use std::time::Duration;

use async_trait::async_trait;
use kernel::ports::Kv;
use kernel::{Code, Error, Result};
use spin_sdk::key_value::Store;

pub(crate) struct SpinKv;

#[async_trait(?Send)]
impl Kv for SpinKv {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        let value = open().await?.get(key).await.map_err(failed)?;
        value.map(String::from_utf8).transpose().map_err(failed)
    }

    async fn put(&self, key: &str, value: &str, _gc_after: Duration) -> Result<()> {
        open().await?.set(key, value).await.map_err(failed)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        open().await?.delete(key).await.map_err(failed)
    }
}

async fn open() -> Result<Store> {
    Store::open_default().await.map_err(failed)
}

#[allow(clippy::needless_pass_by_value)] // `map_err` passes the error by value
fn failed(error: impl std::fmt::Debug) -> Error {
    Error::new(Code::Unavailable, "the cache is unavailable").with_internal(format!("{error:?}"))
}
