//! `GET /v1/integrations/connections`, and for one connection `GET` and `DELETE …/{id}` and `POST …/{id}/test-lease`.

use http::HeaderValue;
use http::header::LINK;
use kernel::time::Timestamp;
use kernel::{Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::ORGANIZATION;
use postern_core::model::entry::{self, Kind};
use postern_core::model::integration::{Integration, State, ValidationStatus};
use postern_core::oauth::disconnect::disconnect;
use postern_core::store::entries::{self, Reviewed};
use postern_core::store::{credentials, integrations};
use postern_core::upstream::validation::{Verdict, validate};
use postern_core::{Family, Platform};
use serde::Serialize;
use serde_json::value::RawValue;
use web::paging::{Cursor, Keyset, Link, Page};
use web::{Answer, Json, NoContent, Path, Query, Response};

use super::VENDOR;
use super::{ConnectionId, load};

const CURSOR: &str = "connections";
const PAGE: u32 = 200;
/// Most tools that are shown with one connection.
const MOST_TOOLS: u32 = 500;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .get("/connections", list)
        .summary("listConnections", "List connections, in order of creation")
        .returns("A page of them.")
        .header("Link", "The next page, where there is one (RFC 8288).")
        .error(400, "`cursor` is not usable.")
        .get("/connections/{id}", get)
        .summary("readConnection", "Read a connection, with its tools")
        .returns("As it is now.")
        .error(404, NOT_FOUND)
        .delete("/connections/{id}", remove)
        .summary("disconnect", "Disconnect an MCP server")
        .description("Its grant is revoked at the provider, its credentials and its catalogue are deleted.")
        .returns("Gone.")
        .error(404, NOT_FOUND)
        .post("/connections/{id}/test-lease", test_lease)
        .summary("testLease", "Try a connection's credential")
        .description("Asks the server now, with the organization's credential.")
        .returns("What came of it.")
        .error(404, NOT_FOUND)
}

const NOT_FOUND: &str = "No such connection.";

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FeatherStatus)]
pub(super) enum Status {
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

/// Whether the organization, for which the integration was read, has a credential that can be used.
fn has_credential(integration: &Integration) -> bool {
    integration.user_connection.is_some_and(|connection| !connection.needs_reauth)
}

/// A connection.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherConnection, description = "A connection to an MCP server.")]
struct ConnectionView {
    /// A UUID.
    #[schema(format = "uuid")]
    id: String,
    /// Always `custom_mcp`.
    #[schema(example = "custom_mcp")]
    integration_key: &'static str,
    /// Unique short name: prefix of its tools.
    nickname_slug: String,
    /// Display name.
    nickname: String,
    /// Always `custom_mcp`.
    #[schema(example = "custom_mcp")]
    vendor: &'static str,
    /// The server's MCP endpoint.
    #[schema(format = "uri")]
    server_url: String,
    status: Status,
    /// Why it is not active.
    #[schema(required = true)]
    status_reason: Option<String>,
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
    tools: Option<Vec<ToolView>>,
}

/// One tool of a connection.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherTool)]
struct ToolView {
    /// Stable: the same for the same connection and name for ever.
    id: String,
    /// The connection.
    #[schema(format = "uuid")]
    connection_id: String,
    /// The server's own name for it.
    tool_path: String,
    /// Its name at `/mcp`.
    slug: String,
    /// Whether agents see it while the connection is in use.
    is_enabled: bool,
    /// Its definition as its server has it.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
    /// When its server last had it.
    #[schema(required = true)]
    last_seen_at: Option<Timestamp>,
}

impl From<Integration> for ConnectionView {
    fn from(integration: Integration) -> Self {
        let status = Status::of(&integration);
        let is_synced = integration.catalogue_hash.is_some();
        Self {
            id: integration.id,
            integration_key: VENDOR,
            nickname_slug: integration.slug,
            nickname: integration.content.name,
            vendor: VENDOR,
            server_url: integration.content.url,
            status,
            status_reason: integration.validation_message.filter(|_| status != Status::Active),
            tools_status: if is_synced { "synced" } else { "pending" },
            tools_synced_at: integration.last_validated_at.filter(|_| is_synced),
            created_at: integration.created_at,
            updated_at: integration.updated_at,
            tools: None,
        }
    }
}

impl ToolView {
    /// A tool of `integration`, with the definition that its server has now.
    fn of(tool: Reviewed, integration: &Integration) -> Result<Self> {
        let definition = RawValue::from_string(tool.found.unwrap_or(tool.definition))
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self {
            id: tool.id,
            connection_id: integration.id.clone(),
            slug: format!("{}__{}", integration.slug, tool.name),
            tool_path: tool.name,
            is_enabled: tool.status == entry::Status::Approved,
            definition,
            last_seen_at: integration.last_validated_at,
        })
    }
}

/// Connections, in order of creation.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherConnections)]
struct Connections(Vec<ConnectionView>);

/// The answer of a list: 200 with the connections, and a `Link` header (RFC 8288) to the next page if there is one.
struct Listed {
    connections: Connections,
    /// The cursor of the next page; `None` on the last one.
    next: Option<String>,
}

impl Answer for Listed {
    fn into_response(self) -> Result<Response> {
        let mut response = Json(self.connections).into_response()?;
        if let Some(next) = self.next {
            let link = format!("</v1/integrations/connections?cursor={next}>; rel=\"next\"");
            let link = HeaderValue::try_from(link).map_err(|error| Error::internal(error.to_string()))?;
            response.headers_mut().insert(LINK, link);
        }
        Ok(response)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut web::openapi::Described<'_>) {
        Json::<Connections>::describe(operation);
    }
}

async fn list(platform: &Platform, _: Admin, Query(cursor): Query<Cursor<Link>>) -> Result<Listed> {
    let keys = &platform.settings.keys;
    let after: Option<Keyset> = cursor.place(keys, CURSOR)?;
    let found = integrations::list(platform, ORGANIZATION, after.as_ref(), None, PAGE + 1).await?;
    let Page { rows, next } = Page::cut(keys, CURSOR, found, PAGE as usize, |row| Keyset {
        created_at: row.created_at.millis(),
        id: row.id.clone(),
    })?;
    Ok(Listed { connections: Connections(rows.into_iter().map(Into::into).collect()), next })
}

/// Answers 200 with the connection and its tools; 404 for an unknown id.
async fn get(platform: &Platform, _: Admin, Path(id): Path<ConnectionId>) -> Result<Json<ConnectionView>> {
    let integration = load(platform, id).await?;
    let found = entries::review(platform, Kind::Tool, &integration.id, None, None, MOST_TOOLS).await?;
    let tools = found.into_iter().map(|tool| ToolView::of(tool, &integration)).collect::<Result<_>>()?;
    Ok(Json(ConnectionView { tools: Some(tools), ..integration.into() }))
}

/// What a probe of the credential said.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = TestLease)]
struct Lease {
    /// Whether the server can be used.
    ok: bool,
    /// The server's MCP endpoint, which was asked.
    #[schema(format = "uri")]
    url: String,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// Probes the server with the organization's credential. Answers 200 `{ok, url, detail?}`, also when the server cannot
/// be used; 404 for an unknown id.
async fn test_lease(platform: &Platform, _: Admin, Path(id): Path<ConnectionId>) -> Result<Json<Lease>> {
    let integration = load(platform, id).await?;
    let verdict = validate(platform, &integration, ORGANIZATION).await?;
    let is_signed_in = !integration.has_user_credentials()
        || credentials::of_organization(platform, &integration.id).await?.is_some();
    let detail = match verdict {
        Verdict::Usable if is_signed_in => None,
        Verdict::Usable => Some("reachable, but nobody has signed in yet".to_owned()),
        Verdict::Unusable(reason) => Some(reason),
        Verdict::CredentialsMissing(keys) => Some(format!("credentials are missing: {}", keys.join(", "))),
    };
    Ok(Json(Lease { ok: detail.is_none(), url: integration.content.url, detail }))
}

/// Revokes the grant at the provider, then archives the connection, which deletes its secrets. Answers 204; 404 for an
/// unknown id.
async fn remove(platform: &Platform, admin: Admin, Path(id): Path<ConnectionId>) -> Result<NoContent> {
    let integration = load(platform, id).await?;
    disconnect(platform, &integration, ORGANIZATION, &admin.subject).await?;
    integrations::archive(platform, &integration.id, true).await?;
    Ok(NoContent)
}
