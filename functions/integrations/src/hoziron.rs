//! The Hoziron dialect: install, start, stop, restart, remove, and looking at it. `{id}` is the slug.

pub(crate) mod install;
pub(crate) mod lifecycle;
pub(crate) mod read;

use web::Request;
use postern_core::model::integration::{Integration, check_slug};
use postern_core::store::integrations;
use kernel::{Error, Result};
use postern_core::Platform;

/// The integration that the path names; 400 for an id that cannot be one, 404.
async fn load(platform: &Platform, request: &Request) -> Result<Integration> {
    let slug = check_slug(request.text_param("id"))?;
    let found = integrations::find_by_slug(platform, &slug).await?;
    found.ok_or_else(|| Error::not_found(format!("no integration \"{slug}\" is installed")))
}
