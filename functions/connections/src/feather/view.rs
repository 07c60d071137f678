//! Connections and their tools as this dialect shows them.

use std::collections::BTreeMap;

use kernel::time::Timestamp;
use kernel::{Error, Result};
use postern_core::model::credential::ORGANIZATION;
use postern_core::model::entry;
use postern_core::model::integration::{AuthMode, Integration, State, ValidationStatus};
use postern_core::store::connections::Times;
use postern_core::store::entries::Reviewed;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{VENDOR, words};

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
    /// The status of an integration that was read for the organization.
    fn of(integration: &Integration) -> Self {
        let is_signed_in = integration.user_connection.is_some_and(|connection| !connection.needs_reauth);
        if integration.state == State::Stopped {
            Self::Disabled
        } else if integration.content.auth_mode == AuthMode::Oauth && !is_signed_in {
            Self::PendingOauth
        } else if integration.validation_status == ValidationStatus::Invalid {
            Self::Error
        } else {
            Self::Active
        }
    }
}

/// A connection.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherConnection, description = "A connection to an MCP server.")]
pub(super) struct ConnectionView {
    /// A UUID.
    #[schema(format = "uuid")]
    id: String,
    /// Always `organization`: a deployment is one organization's.
    #[schema(example = "organization")]
    organization_id: &'static str,
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
    /// Always null: Postern speaks to the server itself, without another vendor's connection.
    #[schema(required = true)]
    vendor_connection_id: Option<String>,
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
    /// When the organization's credential was stored; null while that is missing.
    #[schema(required = true)]
    connected_at: Option<Timestamp>,
    /// When the organization's token was last renewed.
    #[schema(required = true)]
    last_refreshed_at: Option<Timestamp>,
    /// When one of its tools was last called, as far as the audit log goes back.
    #[schema(required = true)]
    last_used_at: Option<Timestamp>,
    metadata: Metadata,
    /// When it was connected first.
    created_at: Timestamp,
    /// When somebody last changed it.
    updated_at: Timestamp,
    /// Its tools; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tools: Option<Vec<ToolView>>,
}

/// Further facts.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherMetadata, description = "Further facts about a connection.")]
struct Metadata {
    /// How the server speaks MCP: `modern` (since 2026-07-28) or `legacy`; null until it was reached.
    #[schema(required = true, example = "modern")]
    era: Option<&'static str>,
}

impl ConnectionView {
    /// What is shown of an integration that was read for the organization, without its tools.
    #[allow(clippy::redundant_closure_for_method_calls)] // this crate does not depend on the era's
    pub(super) fn of(integration: Integration, times: Times) -> Self {
        let status = Status::of(&integration);
        let is_synced = integration.catalogue_hash.is_some();
        let reason = integration.validation_message.filter(|_| status != Status::Active);
        Self {
            id: integration.id,
            organization_id: ORGANIZATION,
            integration_key: VENDOR,
            nickname_slug: integration.slug,
            nickname: integration.content.name,
            vendor: VENDOR,
            vendor_connection_id: None,
            server_url: integration.content.url,
            status,
            status_reason: reason.as_deref().map(words::text),
            tools_status: if is_synced { "synced" } else { "pending" },
            tools_synced_at: integration.last_validated_at.filter(|_| is_synced),
            connected_at: times.connected_at,
            last_refreshed_at: times.last_refreshed_at,
            last_used_at: times.last_used_at,
            metadata: Metadata { era: integration.era.map(|era| era.as_str()) },
            created_at: integration.created_at,
            updated_at: integration.updated_at,
            tools: None,
        }
    }

    /// Adds its tools.
    pub(super) fn with_tools(self, tools: Vec<ToolView>) -> Self {
        Self { tools: Some(tools), ..self }
    }
}

/// One tool of a connection. Postern maps neither inputs nor responses, so the members about such mappings are empty.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherTool)]
pub(super) struct ToolView {
    /// Stable: the same for the same connection and name for ever.
    id: String,
    /// The connection.
    #[schema(format = "uuid")]
    connection_id: String,
    /// The server's own name for it.
    tool_path: String,
    /// Its name at `/mcp`.
    slug: String,
    /// Its title or, without one, its name.
    display_name: String,
    /// What it does, in the server's words.
    #[schema(required = true)]
    description: Option<String>,
    /// The JSON Schema of its arguments.
    #[schema(value_type = Object)]
    input_schema: Box<RawValue>,
    /// The JSON Schema of its structured results; null if the server declares none.
    #[schema(required = true, value_type = Option<Object>)]
    response_schema: Option<Box<RawValue>>,
    /// Whether agents see it while the connection is in use.
    is_enabled: bool,
    /// When its server was last found to have it.
    last_seen_at: Timestamp,
    /// Paths in `response_schema` that the server no longer has in what it offers now.
    stale_field_paths: Vec<String>,
    /// Paths in `input_schema` that the server no longer has in what it offers now.
    stale_input_fields: Vec<String>,
    /// Always 0: Postern sets no arguments by itself.
    default_count: u32,
    /// Always 0: Postern sets no arguments by itself.
    pinned_count: u32,
    /// Always empty: Postern sets no arguments by itself.
    input_defaults: BTreeMap<String, Value>,
    /// Always empty: Postern sets no arguments by itself.
    merged_input_preview: BTreeMap<String, Value>,
    /// Always empty: Postern passes results on as they are.
    response_field_map: BTreeMap<String, String>,
}

/// The members of a definition. Which types they have is the server's business.
type Definition = BTreeMap<String, Box<RawValue>>;

impl ToolView {
    /// A tool of `integration`, with the definition that agents are offered or, of a tool that was never approved, that
    /// waits for a review.
    pub(super) fn of(tool: Reviewed, integration: &Integration) -> Result<Self> {
        let mut definition = parse(&tool.definition)?;
        let newest = tool.found.as_deref().map(parse).transpose()?;
        let stale = |member: &str| match &newest {
            Some(newest) => missing(value(get(&definition, member)), &value(get(newest, member))),
            None => Vec::new(),
        };
        let (stale_field_paths, stale_input_fields) = (stale("outputSchema"), stale("inputSchema"));
        let title = text(get(&definition, "title"));
        Ok(Self {
            id: tool.id,
            connection_id: integration.id.clone(),
            slug: format!("{}__{}", integration.slug, tool.name),
            display_name: title.unwrap_or_else(|| tool.name.clone()),
            tool_path: tool.name,
            description: text(get(&definition, "description")),
            input_schema: match definition.remove("inputSchema") {
                Some(schema) => schema,
                None => RawValue::from_string("{}".to_owned()).map_err(broken)?,
            },
            response_schema: definition.remove("outputSchema"),
            is_enabled: tool.status == entry::Status::Approved,
            last_seen_at: last_seen(tool.status, tool.last_seen_at, integration),
            stale_field_paths,
            stale_input_fields,
            default_count: 0,
            pinned_count: 0,
            input_defaults: BTreeMap::new(),
            merged_input_preview: BTreeMap::new(),
            response_field_map: BTreeMap::new(),
        })
    }
}

/// Returns when a tool was last found. A probe that finds the catalogue unchanged is only recorded with the integration:
/// if the last probe succeeded, it found every tool that is not known to be removed.
fn last_seen(status: entry::Status, recorded: Timestamp, integration: &Integration) -> Timestamp {
    let is_found =
        status != entry::Status::Removed && integration.validation_status == ValidationStatus::Valid;
    let probed = integration.last_validated_at.filter(|_| is_found && integration.catalogue_hash.is_some());
    probed.map_or(recorded, |probed| probed.max(recorded))
}

fn parse(definition: &str) -> Result<Definition> {
    serde_json::from_str(definition).map_err(broken)
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn broken(error: serde_json::Error) -> Error {
    Error::internal(error.to_string())
}

fn get<'d>(definition: &'d Definition, member: &str) -> Option<&'d RawValue> {
    definition.get(member).map(AsRef::as_ref)
}

fn text(member: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(member?.get()).ok()
}

fn value(member: Option<&RawValue>) -> Value {
    member.and_then(|member| serde_json::from_str(member.get()).ok()).unwrap_or_default()
}

/// Returns the paths of the properties that the JSON Schema `old` declares and `new` does not.
fn missing(old: Value, new: &Value) -> Vec<String> {
    let Some(Value::Object(properties)) = member(old, "properties") else { return Vec::new() };
    let found = |name: &str| new.get("properties").and_then(|properties| properties.get(name));
    let paths = properties.into_iter().flat_map(|(name, schema)| match found(&name) {
        None => vec![name],
        Some(new) => missing(schema, new).into_iter().map(|path| format!("{name}.{path}")).collect(),
    });
    paths.collect()
}

fn member(value: Value, name: &str) -> Option<Value> {
    match value {
        Value::Object(mut members) => members.remove(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_stale_if_only_the_old_schema_has_it() {
        let old =
            json!({ "properties": { "a": { "properties": { "b": {}, "c": {} } }, "d": {}, "e": true } });
        let new = json!({ "properties": { "a": { "properties": { "c": {} } }, "e": {}, "f": {} } });
        assert_eq!(missing(old.clone(), &new), ["a.b", "d"]);
        assert_eq!(missing(old.clone(), &old), Vec::<String>::new());
        assert_eq!(missing(old, &Value::Null), ["a", "d", "e"]);
        assert_eq!(missing(json!(7), &new), Vec::<String>::new());
    }
}
