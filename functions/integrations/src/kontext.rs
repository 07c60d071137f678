//! The registry in the Kontext dialect (`/api/v1/integrations…`): integrations, their OAuth configuration, the
//! caller's connections, and the review of tools.

mod connection;
mod create;
mod oauth;
mod read;
mod tools;
mod update;
mod view;

use kernel::{Error, Result};
use postern_core::auth::{ApiKeys, Caller};
use postern_core::model::integration::{Integration, IntegrationId};
use postern_core::store::integrations;
use postern_core::{Family, Platform};

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    let registry = update::routes(read::routes(create::routes(family)));
    tools::routes(connection::routes(oauth::routes(registry)))
}

/// How often a write is tried while other requests change the same integration.
const ATTEMPTS: u32 = 5;

/// The error of a write that other requests overtook [`ATTEMPTS`] times.
fn contended() -> Error {
    Error::conflict("others are changing this integration: try again")
}

/// Reads the integration `id` for the caller. The error is 404 if there is none.
async fn load(platform: &Platform, caller: &Caller, id: IntegrationId) -> Result<Integration> {
    let found = integrations::find(platform, &caller.subject, &id.to_string()).await?;
    found.ok_or_else(IntegrationId::not_found)
}
