//! The Feather dialect (`/v1/integrations/connections…`): MCP servers that a customer brings, connected with static
//! credentials or OAuth. Such a connection is an integration whose credential belongs to the organization.

mod custom_mcp;
mod discover;
mod read;
mod view;
mod words;

use kernel::{Error, Result};
use postern_core::auth::ApiKeys;
use postern_core::model::credential::ORGANIZATION;
use postern_core::model::integration::{Integration, IntegrationId};
use postern_core::store::integrations;
use postern_core::{Family, Platform};
use serde::Deserialize;
use web::PathParam;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    discover::routes(custom_mcp::routes(read::routes(family)))
}

/// The `vendor` of every connection in this dialect.
const VENDOR: &str = "custom_mcp";

/// How to speak to the server: a hint. Streamable HTTP is tried first and HTTP+SSE last, whatever it says.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Transport {
    /// Postern finds out what the server speaks.
    Auto,
    /// Feather's default; means the same as `auto`.
    Sse,
    /// Streamable HTTP.
    Http,
    /// Streamable HTTP.
    StreamableHttp,
    /// Streamable HTTP, as MCP's own documents spell it.
    #[serde(rename = "streamable-http")]
    StreamableHttpHyphenated,
    /// Streamable HTTP, as some clients' configurations spell it.
    #[serde(rename = "streamableHttp")]
    StreamableHttpCamel,
}

/// A connection's UUID. A malformed id is answered like an unknown one: 404.
struct ConnectionId(IntegrationId);

impl PathParam for ConnectionId {
    const NAME: &'static str = "id";

    fn from_param(text: &str) -> Result<Self> {
        IntegrationId::from_param(text).map(Self).map_err(|_| not_found())
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required("The connection's id.", web::openapi::uuid())
    }
}

/// Reads the connection `id` for the organization, which owns its credential. The error is 404 if there is none.
async fn load(platform: &Platform, ConnectionId(id): ConnectionId) -> Result<Integration> {
    let found = integrations::find(platform, ORGANIZATION, &id.to_string()).await?;
    found.ok_or_else(not_found)
}

fn not_found() -> Error {
    Error::not_found("connection not found")
}
