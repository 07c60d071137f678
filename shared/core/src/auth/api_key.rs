//! Verifies presented API keys against the stored hashes (table `api_keys`), in a time that does not depend on where
//! they differ.

use std::rc::Rc;

use kernel::Result;
use kernel::digest::{constant_time_eq, sha256_hex};

use crate::model::api_key::{ApiKey, public_id};
use crate::policy::persona::ADMIN;
use crate::{Platform, store};

/// Returns the row of the API key `text`; `None` if the key is unknown, wrong or expired.
///
/// While the table has no key at all, the key in the setting `BOOTSTRAP_ADMIN_KEY` is stored as the first one, with
/// the role `admin`.
pub(super) async fn verify(platform: &Platform, text: &str) -> Result<Option<Rc<ApiKey>>> {
    let Some(id) = public_id(text) else {
        return Ok(None);
    };
    let row = match store::api_keys::find(platform, id).await? {
        Some(row) => Some(row),
        None => bootstrap(platform, id).await?,
    };
    // The text is hashed and compared for an unknown id, too, so that the time does not show which ids exist.
    let stored = row.as_ref().map_or("", |row| row.hash.as_str());
    let matches = constant_time_eq(sha256_hex(text.as_bytes()).as_bytes(), stored.as_bytes());
    let now = platform.now();
    Ok(row.filter(|row| matches && row.expires_at.is_none_or(|at| now < at)))
}

async fn bootstrap(platform: &Platform, id: &str) -> Result<Option<Rc<ApiKey>>> {
    let Some(key) = &platform.settings.bootstrap_admin_key else {
        return Ok(None);
    };
    if public_id(key.expose()) != Some(id) {
        return Ok(None);
    }
    let row = ApiKey {
        id: id.to_owned(),
        name: "bootstrap".to_owned(),
        hash: sha256_hex(key.expose().as_bytes()),
        email: None,
        roles: vec![ADMIN.to_owned()],
        expires_at: None,
    };
    store::api_keys::insert_first(platform, &row).await?;
    store::api_keys::find(platform, id).await
}
