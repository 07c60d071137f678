//! Verifies presented API keys: against the setting `BOOTSTRAP_ADMIN_KEY`, and against the stored hashes (table
//! `api_keys`), in a time that does not depend on where they differ.

use std::rc::Rc;

use kernel::Result;
use kernel::digest::{constant_time_eq, sha256_hex};

use crate::model::api_key::{ApiKey, BOOTSTRAP, BOOTSTRAP_PRINCIPAL, local_email, public_id};
use crate::policy::persona::ADMIN;
use crate::{Platform, store};

/// Returns the API key `text`; `None` if the key is unknown, wrong or expired.
pub(super) async fn verify(platform: &Platform, text: &str) -> Result<Option<Rc<ApiKey>>> {
    let Some(id) = public_id(text) else {
        return Ok(None);
    };
    let row = find(platform, id).await?;
    // The text is hashed and compared for an unknown id, too, so that the time does not show which ids exist.
    let stored = row.as_ref().map_or("", |row| row.hash.as_str());
    let matches = constant_time_eq(sha256_hex(text.as_bytes()).as_bytes(), stored.as_bytes());
    let now = platform.now();
    Ok(row.filter(|row| matches && !row.has_expired(now)))
}

/// Returns `true` if the key with the public id `id` is neither deleted nor expired.
pub(super) async fn is_valid(platform: &Platform, id: &str) -> Result<bool> {
    let now = platform.now();
    Ok(find(platform, id).await?.is_some_and(|key| !key.has_expired(now)))
}

/// The key of the setting is the setting's value and no stored row: another value ends the former key at once, and the
/// principal stays the same.
async fn find(platform: &Platform, id: &str) -> Result<Option<Rc<ApiKey>>> {
    match &platform.settings.bootstrap_admin_key {
        Some(key) if public_id(key.expose()) == Some(id) => Ok(Some(Rc::new(ApiKey {
            id: id.to_owned(),
            name: BOOTSTRAP.to_owned(),
            principal: BOOTSTRAP_PRINCIPAL.to_owned(),
            hash: sha256_hex(key.expose().as_bytes()),
            email: local_email(BOOTSTRAP),
            description: None,
            roles: vec![ADMIN.to_owned()],
            expires_at: None,
        }))),
        _ => store::api_keys::find(platform, id).await,
    }
}
