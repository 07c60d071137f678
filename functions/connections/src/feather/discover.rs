//! `POST /v1/integrations/connections/custom-mcp/discover`: tells what it takes to connect a server by OAuth. Stores
//! nothing.

use kernel::Result;
use kernel::net::{SafeUrl, UpstreamUrl};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::oauth::OauthError;
use postern_core::oauth::discovery::discover_server;
use postern_core::{Family, Platform};
use serde::{Deserialize, Serialize};
use web::Json;

use super::Transport;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .post("/connections/custom-mcp/discover", discover)
        .summary("discoverCustomMcp", "What connecting a server by OAuth would take")
        .description("Asks the server and its authorization server; writes nothing.")
        .returns("What was found out, also about a server without OAuth.")
        .error(400, "`server_url` may not be dialled.")
}

/// The body of a discovery request.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(description = "The server to ask.")]
struct DiscoverRequest {
    /// The server's MCP endpoint: https, at a public name or address.
    #[schema(value_type = UpstreamUrl)]
    server_url: String,
    /// A hint; what the server speaks is found out.
    #[serde(default, rename = "transport")]
    _transport: Option<Transport>,
}

/// What was found out.
#[derive(Default, Serialize, utoipa::ToSchema)]
#[schema(as = Discovered)]
struct DiscoverResponse {
    /// Whether clients can register by themselves: then no client id is needed.
    supports_dcr: bool,
    /// Authorization endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    authorize_url: Option<String>,
    /// Token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_url: Option<String>,
    /// Scopes that the server names.
    scopes: Vec<String>,
}

/// Asks the server and its authorization server. Answers 200 `{supports_dcr, authorize_url?, token_url?, scopes}`,
/// also for a server without OAuth; 400 for a URL that upstreams may not have (`kernel::net`).
async fn discover(
    platform: &Platform,
    _: Admin,
    Json(body): Json<DiscoverRequest>,
) -> Result<Json<DiscoverResponse>> {
    let url = SafeUrl::parse(&body.server_url, platform.settings.net)
        .map_err(|refused| refused.field("server_url"))?;
    let found = match discover_server(platform, &url).await {
        Ok(found) => found,
        Err(OauthError::Internal(error)) => return Err(error),
        Err(_) => return Ok(Json(DiscoverResponse::default())),
    };
    Ok(Json(DiscoverResponse {
        supports_dcr: found.metadata.registration_endpoint.is_some(),
        authorize_url: found.metadata.authorization_endpoint,
        token_url: found.metadata.token_endpoint,
        scopes: found.scopes,
    }))
}
