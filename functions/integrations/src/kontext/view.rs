//! The bodies that the Kontext dialect returns. No field can hold a secret.

use json_patch::PatchOperation;
use kernel::ports::Timestamp;
use kernel::{Error, Result};
use postern_core::model::credential::Connection;
use postern_core::model::entry::Status;
use postern_core::model::integration::{
    AuthMode, Category, Integration, State, ToolPolicy, ValidationStatus,
};
use postern_core::model::oauth::OauthConfig;
use postern_core::store::entries::Reviewed;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::schemas::capabilities;

/// The Kontext integration object, with `slug`, `description`, `credentialHeadersConfigured`, `toolPolicy`, `state` and
/// `consecutiveFailures` added.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Integration, description = "One upstream MCP server that Postern knows. No field can hold a secret.")]
pub(crate) struct IntegrationView {
    /// A UUID.
    #[schema(format = "uuid")]
    id: String,
    /// Unique short name: prefix of its tools, id in the Hoziron dialect.
    #[schema(example = "github")]
    slug: String,
    /// Display name.
    name: String,
    /// Free text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// The upstream's MCP endpoint.
    #[schema(format = "uri")]
    url: String,
    category: Category,
    auth_mode: AuthMode,
    /// Only with `authMode` `oauth`, and not when it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    oauth: Option<OauthView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = capabilities, required = false)]
    capabilities: Option<Box<RawValue>>,
    /// A JSON Schema of what users paste.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    credential_schema: Option<Box<RawValue>>,
    /// Whether the organization's token is stored.
    server_token_configured: bool,
    /// Whether its headers are not just `Authorization: Bearer {token}`.
    credential_headers_configured: bool,
    tool_policy: ToolPolicy,
    state: State,
    validation_status: ValidationStatus,
    /// What the last probe found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    validation_message: Option<String>,
    /// When the last probe began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_validated_at: Option<Timestamp>,
    /// Failed probes since the last good one.
    #[schema(minimum = 0)]
    consecutive_failures: i64,
    /// The caller's own; only with `authMode` `oauth` and `user_token`, and not with the grant `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_connection: Option<ConnectionView>,
    /// When it was registered.
    created_at: Timestamp,
    /// When an operator last changed it.
    updated_at: Timestamp,
}

impl From<Integration> for IntegrationView {
    fn from(integration: Integration) -> Self {
        let content = integration.content;
        let is_per_user = content.has_user_credentials();
        Self {
            id: integration.id,
            slug: integration.slug,
            name: content.name,
            description: content.description,
            url: content.url,
            category: content.category,
            auth_mode: content.auth_mode,
            oauth: OauthView::of(
                content.oauth,
                integration.discovered_issuer,
                content.oauth_client_secret.as_deref(),
            ),
            capabilities: content.capabilities,
            credential_schema: content.credential_schema,
            server_token_configured: content.auth_mode == AuthMode::ServerToken
                && integration.has_organization_credential,
            credential_headers_configured: content.headers.is_some(),
            tool_policy: content.tool_policy,
            state: integration.state,
            validation_status: integration.validation_status,
            validation_message: integration.validation_message,
            last_validated_at: integration.last_validated_at,
            consecutive_failures: integration.consecutive_failures,
            user_connection: is_per_user.then(|| integration.user_connection.into()),
            created_at: integration.created_at,
            updated_at: integration.updated_at,
        }
    }
}

/// `{integration}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = IntegrationAnswer, description = "One integration.")]
pub(crate) struct One {
    integration: IntegrationView,
}

impl From<Integration> for One {
    fn from(integration: Integration) -> Self {
        Self { integration: integration.into() }
    }
}

/// `{items, nextCursor?}`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(description = "A page of integrations.")]
pub(crate) struct IntegrationPage {
    /// In order of creation.
    pub(crate) items: Vec<IntegrationView>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) next_cursor: Option<String>,
}

/// An OAuth configuration, without its secret.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Oauth)]
pub(crate) struct OauthView {
    #[serde(flatten)]
    config: OauthConfig,
    /// Whether the secret of `clientId` is stored.
    client_secret_configured: bool,
}

impl OauthView {
    /// `issuer` is the one that was discovered; a configured one comes first.
    fn of(config: Option<OauthConfig>, issuer: Option<String>, sealed_secret: Option<&str>) -> Option<Self> {
        let mut config = config?;
        config.issuer = config.issuer.or(issuer);
        Some(Self { config, client_secret_configured: sealed_secret.is_some() })
    }
}

/// `{oauth}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = OauthAnswer, description = "An OAuth configuration.")]
pub(crate) struct OneOauth {
    oauth: OauthView,
}

impl OneOauth {
    /// Returns the configuration; `None` if there is none.
    pub(crate) fn of(integration: Integration) -> Option<Self> {
        let Integration { content, discovered_issuer, .. } = integration;
        let oauth = OauthView::of(content.oauth, discovered_issuer, content.oauth_client_secret.as_deref());
        oauth.map(|oauth| Self { oauth })
    }
}

/// Whether the caller has a credential stored.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConnectionStatus {
    /// The caller has a credential that can be used.
    Connected,
    /// The caller has no credential, or one that is of no use any more: its grant has ended at the provider, or the
    /// upstream refused the token.
    Disconnected,
}

/// The calling user's connection.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Connection)]
pub(crate) struct ConnectionView {
    /// Whether the caller has a credential stored.
    connected: bool,
    /// `connected` or `disconnected`.
    status: ConnectionStatus,
    /// When the credential ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

impl From<Option<Connection>> for ConnectionView {
    fn from(connection: Option<Connection>) -> Self {
        // A credential that is not accepted any more is no connection.
        let connection = connection.filter(|connection| !connection.needs_reauth);
        let status =
            if connection.is_some() { ConnectionStatus::Connected } else { ConnectionStatus::Disconnected };
        Self {
            connected: connection.is_some(),
            status,
            expires_at: connection.and_then(|connection| connection.expires_at),
        }
    }
}

/// `{connection}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionAnswer, description = "The calling user's connection.")]
pub(crate) struct OneConnection {
    connection: ConnectionView,
}

impl OneConnection {
    /// The connection of the user for whom `integration` was read.
    pub(crate) fn of(integration: &Integration) -> Self {
        Self { connection: integration.user_connection.into() }
    }
}

/// A tool under review.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tool)]
pub(crate) struct ToolView {
    /// Stable: the same for the same integration and name for ever.
    #[schema(pattern = "^[0-9a-f]{24}$")]
    id: String,
    /// The upstream's own name for it.
    name: String,
    status: Status,
    /// Whether agents see it while the integration is running.
    offered: bool,
    /// The approved definition; of a tool that was never approved the one found.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
    /// What the upstream has now, where that is something else. With the status `approved`: what one user's account was
    /// shown, while agents are offered `definition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    found: Option<Box<RawValue>>,
    /// What leads from `definition` to `found`.
    diff: Vec<Difference>,
    /// When a probe first found it.
    first_seen_at: Timestamp,
    /// When a probe last found it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    changed_at: Option<Timestamp>,
    /// When it was last approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    approved_at: Option<Timestamp>,
}

impl ToolView {
    pub(crate) fn of(tool: Reviewed) -> Result<Self> {
        let raw = |text: String| RawValue::from_string(text).map_err(broken);
        Ok(Self {
            id: tool.id,
            name: tool.name,
            status: tool.status,
            offered: tool.status == Status::Approved,
            diff: match &tool.found {
                Some(found) => differences(&tool.definition, found)?,
                None => Vec::new(),
            },
            definition: raw(tool.definition)?,
            found: tool.found.map(raw).transpose()?,
            first_seen_at: tool.first_seen_at,
            changed_at: tool.changed_at,
            approved_at: tool.approved_at,
        })
    }
}

/// What happened to one member.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    /// The member is new.
    Added,
    /// The member is gone.
    Removed,
    /// The member has another value.
    Changed,
}

/// One member that differs; applied in order, the differences lead from one definition to the other.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ToolDifference)]
pub(crate) struct Difference {
    /// JSON pointer (RFC 6901).
    #[schema(example = "/inputSchema/properties/query")]
    path: String,
    change: ChangeKind,
    /// The former value; absent for what was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// The new value; absent for what was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

fn differences(from: &str, to: &str) -> Result<Vec<Difference>> {
    let mut document: Value = serde_json::from_str(from).map_err(broken)?;
    let to: Value = serde_json::from_str(to).map_err(broken)?;
    let mut differences = Vec::new();
    for operation in json_patch::diff(&document, &to).0 {
        let path = operation.path().to_string();
        let before = document.pointer(&path).cloned();
        let (change, before, after) = match &operation {
            PatchOperation::Add(add) => (ChangeKind::Added, None, Some(add.value.clone())),
            PatchOperation::Remove(_) => (ChangeKind::Removed, before, None),
            PatchOperation::Replace(replace) => (ChangeKind::Changed, before, Some(replace.value.clone())),
            // `json_patch::diff` returns no other operations.
            _ => continue,
        };
        json_patch::patch(&mut document, std::slice::from_ref(&operation))
            .map_err(|error| Error::internal(error.to_string()))?;
        differences.push(Difference { path, change, before, after });
    }
    Ok(differences)
}

#[allow(clippy::needless_pass_by_value)] // `map_err` passes the error by value
fn broken(error: serde_json::Error) -> Error {
    Error::internal(error.to_string())
}

/// `{tool}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ToolAnswer, description = "One tool.")]
pub(crate) struct OneTool {
    pub(crate) tool: ToolView,
}

/// `{items, nextCursor?}`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(description = "A page of tools.")]
pub(crate) struct ToolPage {
    /// In the upstream's own order.
    pub(crate) items: Vec<ToolView>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) next_cursor: Option<String>,
}
