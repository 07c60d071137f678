//! The Kontext dialect: integrations, their OAuth configuration, the caller's connections, and the review of tools.

pub(crate) mod connection;
pub(crate) mod create;
pub(crate) mod oauth;
pub(crate) mod read;
pub(crate) mod tools;
pub(crate) mod update;
mod view;

use postern_core::auth::Caller;
use web::Request;
use postern_core::model::integration::{Integration, IntegrationId};
use postern_core::store::integrations;
use postern_core::Platform;
use kernel::Result;

/// The integration that the path names, as the caller sees it; 404.
async fn load(platform: &Platform, caller: &Caller, request: &Request) -> Result<Integration> {
    let id: IntegrationId = request.param("id")?;
    let found = integrations::find(platform, &caller.subject, &id.to_string()).await?;
    found.ok_or_else(IntegrationId::not_found)
}
