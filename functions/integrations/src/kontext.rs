//! The Kontext dialect: integrations, their OAuth configuration, the caller's connections, and the review of tools.

pub(crate) mod connection;
pub(crate) mod create;
pub(crate) mod oauth;
pub(crate) mod read;
pub(crate) mod tools;
pub(crate) mod update;
mod view;

use shared::auth::Caller;
use shared::http::Request;
use shared::model::integration::{Integration, IntegrationId};
use shared::store::integrations;
use shared::{Platform, Result};

/// The integration that the path names, as the caller sees it; 404.
async fn load(platform: &Platform, caller: &Caller, request: &Request) -> Result<Integration> {
    let id: IntegrationId = request.param("id")?;
    let found = integrations::find(platform, &caller.subject, &id.to_string()).await?;
    found.ok_or_else(IntegrationId::not_found)
}
