//! Finds the catalogue that an endpoint offers. A published server's endpoint will be one more function here.

use kernel::Result;
use postern_core::auth::Caller;
use postern_core::catalogue::Scope;
use postern_core::model::integration::IntegrationId;
use postern_core::policy::authorize_connection;
use postern_core::{Platform, store};
use web::RequestId;

use crate::audit::refuse;

/// Returns the scope of the running integration whose slug or UUID is `reference`. The error is 404 also for an
/// integration that the caller may not use; the audit tells the two apart.
pub(crate) async fn one(
    platform: &Platform,
    caller: &Caller,
    reference: &str,
    request: &RequestId,
) -> Result<Scope> {
    let slug = store::targets::slug_of(platform, reference).await?;
    let exists = slug.is_some();
    let Some(slug) = slug.filter(|slug| authorize_connection(caller.persona.as_deref(), slug)) else {
        refuse(platform, caller, request, reference, exists)?;
        return Err(IntegrationId::not_found());
    };
    Ok(Scope::One(slug.as_ref().to_owned()))
}
