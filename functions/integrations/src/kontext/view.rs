//! How things look in the Kontext dialect. No field can hold a secret.

use json_patch::PatchOperation;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::model::credential::Connection;
use shared::model::integration::{AuthMode, Category, Integration, State, ToolPolicy, ValidationStatus};
use shared::model::oauth::OauthConfig;
use shared::model::tool::ToolStatus;
use shared::platform::Timestamp;
use shared::store::tools::Reviewed;
use shared::{Error, Result};

/// The Kontext integration object, with `slug`, `description`, `credentialHeadersConfigured`, `toolPolicy`, `state` and
/// `consecutiveFailures` added.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationView<'a> {
    id: &'a str,
    slug: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    url: &'a str,
    category: Category,
    auth_mode: AuthMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    oauth: Option<OauthView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_schema: Option<&'a RawValue>,
    server_token_configured: bool,
    credential_headers_configured: bool,
    tool_policy: ToolPolicy,
    state: State,
    validation_status: ValidationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_validated_at: Option<Timestamp>,
    consecutive_failures: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_connection: Option<ConnectionView>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> From<&'a Integration> for IntegrationView<'a> {
    fn from(integration: &'a Integration) -> Self {
        let content = &integration.content;
        let user_connection = || ConnectionView::of(integration.user_connection.as_ref());
        Self {
            id: &integration.id,
            slug: &integration.slug,
            name: &content.name,
            description: content.description.as_deref(),
            url: &content.url,
            category: content.category,
            auth_mode: content.auth_mode,
            oauth: OauthView::of(integration),
            capabilities: content.capabilities.as_deref(),
            credential_schema: content.credential_schema.as_deref(),
            server_token_configured: content.auth_mode == AuthMode::ServerToken
                && integration.has_organization_credential,
            credential_headers_configured: content.headers.is_some(),
            tool_policy: content.tool_policy,
            state: integration.state,
            validation_status: integration.validation_status,
            validation_message: integration.validation_message.as_deref(),
            last_validated_at: integration.last_validated_at,
            consecutive_failures: integration.consecutive_failures,
            user_connection: content.auth_mode.is_per_user().then(user_connection),
            created_at: integration.created_at,
            updated_at: integration.updated_at,
        }
    }
}

/// `{integration}`.
#[derive(Serialize)]
pub(crate) struct One<'a> {
    pub(crate) integration: IntegrationView<'a>,
}

/// `{items, nextCursor?}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<'a> {
    pub(crate) items: Vec<IntegrationView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// An OAuth configuration, without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OauthView<'a> {
    #[serde(flatten)]
    config: &'a OauthConfig,
    client_secret_configured: bool,
}

impl<'a> OauthView<'a> {
    fn of(integration: &'a Integration) -> Option<Self> {
        let content = &integration.content;
        let client_secret_configured = content.oauth_client_secret.is_some();
        content.oauth.as_ref().map(|config| Self { config, client_secret_configured })
    }
}

/// `{oauth}`.
#[derive(Serialize)]
pub(crate) struct OneOauth<'a> {
    oauth: OauthView<'a>,
}

impl<'a> OneOauth<'a> {
    pub(crate) fn of(integration: &'a Integration) -> Option<Self> {
        OauthView::of(integration).map(|oauth| Self { oauth })
    }
}

/// Whether the caller has a credential stored.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConnectionStatus {
    Connected,
    Disconnected,
}

/// The calling user's connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionView {
    connected: bool,
    status: ConnectionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl ConnectionView {
    /// A grant that is gone is no connection.
    pub(crate) fn of(connection: Option<&Connection>) -> Self {
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
#[derive(Serialize)]
pub(crate) struct OneConnection {
    pub(crate) connection: ConnectionView,
}

/// A tool under review.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolView<'a> {
    id: &'a str,
    name: &'a str,
    status: ToolStatus,
    /// Whether agents see it while the integration is running.
    offered: bool,
    /// The approved definition; of a tool that was never approved the one found.
    definition: &'a RawValue,
    /// What the upstream has now, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a RawValue>,
    /// What leads from `definition` to `found`.
    diff: Vec<Difference>,
    first_seen_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Timestamp>,
}

impl<'a> ToolView<'a> {
    pub(crate) fn of(tool: &'a Reviewed) -> Result<Self> {
        let raw = |text: &'a str| serde_json::from_str(text).map_err(broken);
        Ok(Self {
            id: &tool.id,
            name: &tool.name,
            status: tool.status,
            offered: tool.status == ToolStatus::Approved,
            definition: raw(&tool.definition)?,
            found: tool.found.as_deref().map(raw).transpose()?,
            diff: match &tool.found {
                Some(found) => differences(&tool.definition, found)?,
                None => Vec::new(),
            },
            first_seen_at: tool.first_seen_at,
            changed_at: tool.changed_at,
            approved_at: tool.approved_at,
        })
    }
}

/// What happened to one member.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// One member that differs; applied in order, the differences lead from one definition to the other.
#[derive(Serialize)]
pub(crate) struct Difference {
    /// JSON pointer (RFC 6901).
    path: String,
    change: ChangeKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
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
            // A diff has no others.
            _ => continue,
        };
        json_patch::patch(&mut document, std::slice::from_ref(&operation))
            .map_err(|error| Error::internal(error.to_string()))?;
        differences.push(Difference { path, change, before, after });
    }
    Ok(differences)
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn broken(error: serde_json::Error) -> Error {
    Error::internal(error.to_string())
}

/// `{tool}`.
#[derive(Serialize)]
pub(crate) struct OneTool<'a> {
    pub(crate) tool: ToolView<'a>,
}

/// `{items, nextCursor?}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolPage<'a> {
    pub(crate) items: Vec<ToolView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}
