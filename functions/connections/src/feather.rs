//! The Feather dialect: connecting an MCP server that a customer brings, with static credentials or OAuth. Such a connection
//! belongs to the organization.

pub(crate) mod custom_mcp;
pub(crate) mod discover;
pub(crate) mod read;

use serde::Deserialize;
use postern_core::auth::Caller;
use web::Request;
use postern_core::model::integration::{Integration, IntegrationId};
use postern_core::store::integrations;
use kernel::{Error, Result};
use postern_core::Platform;

/// How to speak to the server: a hint. Streamable HTTP is tried first and HTTP+SSE last, whatever it says.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transport {
    /// Find out.
    Auto,
    /// Feather's default, which means the same.
    Sse,
    /// Streamable HTTP.
    Http,
    /// Streamable HTTP.
    StreamableHttp,
}

/// The connection that the path names; 404.
async fn load(platform: &Platform, caller: &Caller, request: &Request) -> Result<Integration> {
    let not_found = || Error::not_found("connection not found");
    let id: IntegrationId = request.param("id").map_err(|_| not_found())?;
    let found = integrations::find(platform, &caller.subject, &id.to_string()).await?;
    found.ok_or_else(not_found)
}
