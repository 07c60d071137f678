//! `GET /v1/integrations/connections`, and `GET`, `DELETE`, `POST …/test-lease` of one.

use http::HeaderValue;
use http::StatusCode;
use http::header::LINK;
use serde::Serialize;
use serde_json::value::RawValue;
use postern_core::auth::Caller;
use web::cursor;
use web::cursor::Keyset;
use web::dialect::FeatherError;
use web::request::{empty, json};
use web::{Request, Response};
use postern_core::upstream::validation::{Verdict, validate};
use postern_core::model::credential::ORGANIZATION;
use postern_core::model::integration::{Integration, State, ValidationStatus};
use postern_core::oauth::disconnect::disconnect;
use kernel::ports::Timestamp;
use postern_core::store::tools;
use postern_core::store::tools::Reviewed;
use postern_core::store::{credentials, integrations};
use kernel::{Error, Result};
use postern_core::Platform;

use super::custom_mcp::VENDOR;
use super::load;

const CURSOR: &str = "connections";
const PAGE: u32 = 200;
/// Tools shown with one connection.
const MOST_TOOLS: u32 = 500;

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FeatherStatus)]
pub(crate) enum Status {
    /// Usable.
    Active,
    /// Waits for the provider's redirect, or for a new sign-in.
    PendingOauth,
    /// Its last probe failed.
    Error,
    /// Taken out of use.
    Disabled,
}

impl Status {
    fn of(integration: &Integration) -> Self {
        if integration.state == State::Stopped {
            Self::Disabled
        } else if integration.has_user_credentials() && !has_credential(integration) {
            Self::PendingOauth
        } else if integration.validation_status == ValidationStatus::Invalid {
            Self::Error
        } else {
            Self::Active
        }
    }
}

/// Read for the organization, its own connection is the viewer's.
fn has_credential(integration: &Integration) -> bool {
    integration.user_connection.is_some_and(|connection| !connection.needs_reauth)
}

/// A connection.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherConnection, description = "A connection to an MCP server.")]
pub(crate) struct ConnectionView<'a> {
    /// A UUID.
    #[schema(format = "uuid")]
    id: &'a str,
    /// Always `custom_mcp`.
    #[schema(example = "custom_mcp")]
    integration_key: &'static str,
    /// Unique short name: prefix of its tools.
    nickname_slug: &'a str,
    /// Display name.
    nickname: &'a str,
    /// Always `custom_mcp`.
    #[schema(example = "custom_mcp")]
    vendor: &'static str,
    /// The server's MCP endpoint.
    #[schema(format = "uri")]
    server_url: &'a str,
    status: Status,
    /// Why it is not active.
    #[schema(required = true)]
    status_reason: Option<&'a str>,
    /// `synced` once its tools are known, else `pending`.
    #[schema(example = "synced")]
    tools_status: &'static str,
    /// When its tools were last looked at.
    #[schema(required = true)]
    tools_synced_at: Option<Timestamp>,
    /// When it was connected.
    created_at: Timestamp,
    /// When somebody last changed it.
    updated_at: Timestamp,
    /// Its tools; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tools: Option<Vec<ToolView<'a>>>,
}

/// One tool of a connection.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherTool)]
pub(crate) struct ToolView<'a> {
    /// Stable: the same for the same connection and name for ever.
    id: &'a str,
    /// The connection.
    #[schema(format = "uuid")]
    connection_id: &'a str,
    /// The server's own name for it.
    tool_path: &'a str,
    /// Its name at `/mcp`.
    slug: String,
    /// Whether agents see it while the connection is in use.
    is_enabled: bool,
    /// Its definition as its server has it.
    #[schema(value_type = Object)]
    definition: &'a RawValue,
    /// When its server last had it.
    #[schema(required = true)]
    last_seen_at: Option<Timestamp>,
}

impl<'a> From<&'a Integration> for ConnectionView<'a> {
    fn from(integration: &'a Integration) -> Self {
        let status = Status::of(integration);
        Self {
            id: &integration.id,
            integration_key: VENDOR,
            nickname_slug: &integration.slug,
            nickname: &integration.content.name,
            vendor: VENDOR,
            server_url: &integration.content.url,
            status,
            status_reason: integration.validation_message.as_deref().filter(|_| status != Status::Active),
            tools_status: if integration.catalogue_hash.is_some() { "synced" } else { "pending" },
            tools_synced_at: integration.last_validated_at.filter(|_| integration.catalogue_hash.is_some()),
            created_at: integration.created_at,
            updated_at: integration.updated_at,
            tools: None,
        }
    }
}

/// 200: an array, in order of creation, with a `Link` to the next page where there is one. Query: `cursor`.
#[utoipa::path(
    get,
    path = "/v1/integrations/connections",
    operation_id = "listConnections",
    tag = "Feather",
    summary = "List connections, in order of creation",
    params(("cursor" = Option<String>, Query, nullable = false, description = "As in the former page's `Link`.")),
    responses(
        (
            status = 200,
            description = "A page of them.",
            body = [ConnectionView],
            headers(("Link" = String, description = "The next page, where there is one (RFC 8288)."))
        ),
        (status = 400, description = "`cursor` is not usable.", body = FeatherError)
    )
)]
pub(crate) async fn list(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let keys = &platform.settings.keys;
    let after: Option<Keyset> =
        request.query("cursor").map(|text| cursor::decode(keys, CURSOR, &text)).transpose()?;
    let mut found = integrations::list(platform, ORGANIZATION, after.as_ref(), None, PAGE + 1).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let views: Vec<ConnectionView<'_>> = found.iter().map(Into::into).collect();
    let mut response = json(StatusCode::OK, &views)?;
    if let Some(last) = found.last().filter(|_| more) {
        let place = Keyset { created_at: last.created_at.millis(), id: last.id.clone() };
        let next = cursor::encode(keys, CURSOR, &place)?;
        let link = format!("</v1/integrations/connections?cursor={next}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

/// 200: the connection with its tools; 404.
#[utoipa::path(
    get,
    path = "/v1/integrations/connections/{id}",
    operation_id = "readConnection",
    tag = "Feather",
    summary = "Read a connection, with its tools",
    params(("id" = String, Path, format = "uuid", description = "The connection's id.")),
    responses(
        (status = 200, description = "As it is now.", body = ConnectionView),
        (status = 404, description = "No such connection.", body = FeatherError)
    )
)]
pub(crate) async fn get(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let id = load(platform, &caller, &request).await?.id;
    let integration = integrations::find(platform, ORGANIZATION, &id).await?;
    let integration = integration.ok_or_else(|| Error::not_found("connection not found"))?;
    let found = tools::review(platform, &integration.id, None, None, MOST_TOOLS).await?;
    let view = |tool: &'_ Reviewed| -> Result<(String, Box<RawValue>)> {
        let text = tool.found.as_ref().unwrap_or(&tool.definition);
        let raw = RawValue::from_string(text.clone()).map_err(|error| Error::internal(error.to_string()))?;
        Ok((format!("{}__{}", integration.slug, tool.name), raw))
    };
    let rendered = found.iter().map(view).collect::<Result<Vec<_>>>()?;
    let tools = found.iter().zip(&rendered).map(|(tool, (slug, definition))| ToolView {
        id: &tool.id,
        connection_id: &integration.id,
        tool_path: &tool.name,
        slug: slug.clone(),
        is_enabled: tool.status == postern_core::model::tool::ToolStatus::Approved,
        definition,
        last_seen_at: integration.last_validated_at,
    });
    json(StatusCode::OK, &ConnectionView { tools: Some(tools.collect()), ..(&integration).into() })
}

/// What a probe of the credential said.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = TestLease)]
pub(crate) struct Lease<'a> {
    /// Whether the server can be used.
    ok: bool,
    /// Who was asked.
    #[schema(format = "uri")]
    url: &'a str,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// 200 `{ok, url, detail?}`: the server was asked with the organization's credential; 404.
#[utoipa::path(
    post,
    path = "/v1/integrations/connections/{id}/test-lease",
    operation_id = "testLease",
    tag = "Feather",
    summary = "Try a connection's credential",
    description = "Asks the server now, with the organization's credential.",
    params(("id" = String, Path, format = "uuid", description = "The connection's id.")),
    responses(
        (status = 200, description = "What came of it.", body = Lease),
        (status = 404, description = "No such connection.", body = FeatherError)
    )
)]
pub(crate) async fn test_lease(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &caller, &request).await?;
    let verdict = validate(platform, &integration, ORGANIZATION).await?;
    let connected = !integration.has_user_credentials()
        || credentials::of_organization(platform, &integration.id).await?.is_some();
    let detail = match verdict {
        Verdict::Usable if connected => None,
        Verdict::Usable => Some("reachable, but nobody has signed in yet".to_owned()),
        Verdict::Unusable(reason) => Some(reason),
        Verdict::CredentialsMissing(keys) => Some(format!("credentials are missing: {}", keys.join(", "))),
    };
    json(StatusCode::OK, &Lease { ok: detail.is_none(), url: &integration.content.url, detail })
}

/// 204: revoked at the provider, then forgotten with all its secrets; 404.
#[utoipa::path(
    delete,
    path = "/v1/integrations/connections/{id}",
    operation_id = "disconnect",
    tag = "Feather",
    summary = "Disconnect an MCP server",
    description = "Its grant is revoked at the provider, its credentials and its catalogue are deleted.",
    params(("id" = String, Path, format = "uuid", description = "The connection's id.")),
    responses(
        (status = 204, description = "Gone."),
        (status = 404, description = "No such connection.", body = FeatherError)
    )
)]
pub(crate) async fn remove(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &caller, &request).await?;
    disconnect(platform, &integration, ORGANIZATION, &caller.subject).await?;
    integrations::archive(platform, &integration.id, true).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
