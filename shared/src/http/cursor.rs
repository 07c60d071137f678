//! Keyset cursors: opaque, signed, so that a client can only hand back what it was given.

use serde::{Deserialize, Serialize};

use crate::seal::KeyRing;
use crate::{Error, Result};

/// A place in a list ordered by creation.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyset {
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Tie-breaker.
    pub id: String,
}

impl Keyset {
    /// What a statement compares with: the place after which a page begins, or one before every row.
    pub fn start(after: Option<&Self>) -> (i64, &str) {
        after.map_or((i64::MIN >> 11, ""), |key| (key.created_at, key.id.as_str()))
    }
}

/// The cursor text for `place` in the list that `purpose` names.
pub fn encode(keys: &KeyRing, purpose: &str, place: &impl Serialize) -> Result<String> {
    let payload = serde_json::to_vec(place).map_err(|error| Error::internal(error.to_string()))?;
    keys.sign(purpose, &payload)
}

/// The place that a cursor of the same list names.
pub fn decode<T: for<'de> Deserialize<'de>>(keys: &KeyRing, purpose: &str, cursor: &str) -> Result<T> {
    keys.verify(purpose, cursor)
        .and_then(|payload| serde_json::from_slice(&payload).ok())
        .ok_or_else(|| Error::invalid("the cursor is not one that this list gave out"))
}
