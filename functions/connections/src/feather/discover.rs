//! `POST /v1/integrations/connections/custom-mcp/discover`: what connecting a server by OAuth would take. Writes nothing.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use postern_core::auth::Caller;
use web::dialect::FeatherError;
use web::request::json;
use web::{Request, Response};
use kernel::net::SafeUrl;
use postern_core::oauth::discovery::discover_server;
use kernel::{Error, Result};
use postern_core::Platform;

use super::Transport;

/// The body.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(description = "Whom to ask.")]
pub(crate) struct DiscoverRequest {
    /// The server's MCP endpoint: https, at a public name or address.
    #[schema(format = "uri")]
    server_url: String,
    /// A hint; what the server speaks is found out.
    #[serde(default, rename = "transport")]
    _transport: Option<Transport>,
}

/// What was found out.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Discovered)]
pub(crate) struct DiscoverResponse {
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

/// 200 `{supports_dcr, authorize_url?, token_url?, scopes}`, also for a server without OAuth; 400 for a URL that may not be
/// dialled.
#[utoipa::path(
    post,
    path = "/v1/integrations/connections/custom-mcp/discover",
    operation_id = "discoverCustomMcp",
    tag = "Feather",
    summary = "What connecting a server by OAuth would take",
    description = "Asks the server and its authorization server; writes nothing.",
    request_body = DiscoverRequest,
    responses(
        (status = 200, description = "What was found out, also about a server without OAuth.", body = DiscoverResponse),
        (status = 400, description = "`server_url` may not be dialled.", body = FeatherError)
    )
)]
pub(crate) async fn discover(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let body: DiscoverRequest = web::json::parse(&request.body)?;
    let url = SafeUrl::parse(&body.server_url, platform.settings.net)
        .map_err(|refused| Error::invalid(refused.0.replace("url", "server_url")))?;
    let found = discover_server(platform, &url).await;
    if let Err(postern_core::oauth::OauthError::Internal(error)) = found {
        return Err(error);
    }
    let found = found.ok();
    json(
        StatusCode::OK,
        &DiscoverResponse {
            supports_dcr: found.as_ref().is_some_and(|found| found.metadata.registration_endpoint.is_some()),
            authorize_url: found.as_ref().and_then(|found| found.metadata.authorization_endpoint.clone()),
            token_url: found.as_ref().and_then(|found| found.metadata.token_endpoint.clone()),
            scopes: found.map(|found| found.scopes).unwrap_or_default(),
        },
    )
}
