//! Finds the catalogue that an endpoint offers. A published server's endpoint will be one more function here.

use kernel::Result;
use postern_core::auth::Caller;
use postern_core::catalogue::Scope;
use postern_core::model::integration::IntegrationId;
use postern_core::policy::authorize_connection;
use postern_core::{Platform, store};

/// Returns the scope of the running integration whose slug or UUID is `reference`. The error is 404 also for an
/// integration that the caller may not use.
pub(crate) async fn one(platform: &Platform, caller: &Caller, reference: &str) -> Result<Scope> {
    let slug = store::targets::slug_of(platform, reference).await?;
    let slug = slug.filter(|slug| authorize_connection(caller.persona.as_deref(), slug));
    Ok(Scope::One(slug.ok_or_else(IntegrationId::not_found)?.as_ref().to_owned()))
}
