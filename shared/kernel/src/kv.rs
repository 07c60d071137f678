//! Typed access to the key-value cache: each family of keys is a type. The expiry is stored inside the value, because
//! not every runtime's cache expires entries (and Cloudflare's expires none before 60 s).

use std::fmt::Display;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ports::Ports;
use crate::{Error, Result};

/// A family of cache entries.
pub trait Family {
    /// The prefix of every key of the family; ends with a separator.
    const PREFIX: &'static str;
    /// The part of a key after the prefix. It must contain the owner of the entry's value.
    type Key: Display;
    /// The value of an entry; stored as JSON text.
    type Value: Serialize + DeserializeOwned;
}

#[derive(Serialize, Deserialize)]
struct Envelope<V> {
    expires_at: i64,
    value: V,
}

/// Returns the value of the entry; `None` if the entry is missing, expired or of an older form, or if the cache fails:
/// its values may be lost at any time, so a failing cache is a cache without entries.
pub async fn get<F: Family>(platform: &Ports, key: &F::Key) -> Option<F::Value> {
    let text = match platform.kv.get(&format!("{}{key}", F::PREFIX)).await {
        Ok(text) => text?,
        Err(error) => {
            log::error!("reading the cache: {}", error.report());
            return None;
        }
    };
    let envelope = serde_json::from_str::<Envelope<F::Value>>(&text).ok()?;
    (platform.now().millis() < envelope.expires_at).then_some(envelope.value)
}

/// Stores `value`, which expires after `ttl`. If the cache fails, the failure is logged and the value is not cached.
pub async fn put<F: Family>(platform: &Ports, key: &F::Key, value: &F::Value, ttl: Duration) {
    if let Err(error) = try_put::<F>(platform, key, value, ttl).await {
        log::error!("writing the cache: {}", error.report());
    }
}

async fn try_put<F: Family>(platform: &Ports, key: &F::Key, value: &F::Value, ttl: Duration) -> Result<()> {
    let envelope = Envelope { expires_at: (platform.now() + ttl).millis(), value };
    let text = serde_json::to_string(&envelope).map_err(|error| Error::internal(error.to_string()))?;
    platform.kv.put(&format!("{}{key}", F::PREFIX), &text, ttl).await
}
