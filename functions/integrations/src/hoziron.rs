//! The registry in the Hoziron dialect (`/integrations…`): installs, starts, stops, restarts, removes and shows
//! integrations. `{id}` is the slug.

mod install;
mod lifecycle;
mod read;

use kernel::{Error, Result};
use postern_core::auth::ApiKeys;
use postern_core::model::integration::{Integration, Slug};
use postern_core::store::integrations;
use postern_core::{Family, Platform};

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    lifecycle::routes(install::routes(read::routes(family)))
}

/// Reads the integration that is installed under a slug. The error is 404 if there is none.
async fn load(platform: &Platform, Slug(slug): &Slug) -> Result<Integration> {
    let found = integrations::find_by_slug(platform, slug).await?;
    found.ok_or_else(|| Error::not_found(format!("no integration \"{slug}\" is installed")))
}
