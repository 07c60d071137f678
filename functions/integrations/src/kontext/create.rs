//! `POST /api/v1/integrations`: registers an integration.
//!
//! (1) Every field and the rules between the fields are checked; (2) the integration is stored under the first free
//! slug; (3) the upstream is probed after the answer; (4) the answer is 201.

use kernel::Result;
use kernel::net::UpstreamUrl;
use kernel::secret::Secret;
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::HeaderTemplate;
use postern_core::model::credential::schema::HeaderTemplates;
use postern_core::model::field::{Description, DisplayName, Token, check_description, check_name};
use postern_core::model::integration::{AuthMode, Category, State, ToolPolicy};
use postern_core::registry::draft::{Draft, OauthInput, RuledOauth, server_token, token_missing};
use postern_core::registry::place::{Placing, place};
use postern_core::upstream::validation::validate_later;
use postern_core::{Family, Platform};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use web::{Created, Json, Ruled, Rules};

use super::view::One;
use crate::schemas::capabilities_or_null;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .post("", create)
        .summary("createIntegration", "Register an upstream MCP server")
        .description("The integration runs at once; the upstream is probed after the answer.")
        .returns("Registered; not probed yet.")
        .header("Location", "Where it is.")
        .error(400, "A field, or a rule between two of them, is broken.")
        .error(
            409,
            "The name is taken (`code` is `duplicate`), or belongs to an archived integration and \
             `confirmUnarchive` is missing (`conflict`).",
        )
}

/// The body of a create request.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreateIntegration, description = "A new integration. Unknown fields are refused.")]
struct CreateRequest {
    /// Display name, unlike that of any other integration.
    #[schema(value_type = DisplayName)]
    name: String,
    /// Free text for people.
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    /// The upstream's MCP endpoint: https, at a public name or address.
    #[schema(value_type = UpstreamUrl)]
    url: String,
    /// `gateway_remote_mcp` unless said otherwise.
    category: Option<Category>,
    /// `none` unless said otherwise.
    auth_mode: Option<AuthMode>,
    /// Only for `authMode` `oauth`.
    #[schema(value_type = Option<RuledOauth>)]
    oauth: Option<OauthInput>,
    #[schema(schema_with = capabilities_or_null)]
    capabilities: Option<Box<RawValue>>,
    /// A JSON Schema that credentials which users paste have to fit; without remote references.
    #[schema(value_type = Option<Object>)]
    credential_schema: Option<Box<RawValue>>,
    /// The organization's token: required for `authMode` `server_token`, refused for others. Sealed at once, never
    /// returned.
    #[schema(value_type = Option<Token>)]
    server_token: Option<Secret<String>>,
    /// Headers to present instead of `Authorization: Bearer {token}`. Sealed as a whole, never returned.
    #[schema(value_type = Option<HeaderTemplates>)]
    credential_headers: Option<Vec<HeaderTemplate>>,
    /// `auto` unless said otherwise.
    tool_policy: Option<ToolPolicy>,
    /// Whether an archived integration of this name may come back as this one; `false` unless said otherwise.
    confirm_unarchive: Option<bool>,
}

impl Rules for CreateRequest {
    fn alternatives() -> Value {
        let absent = || json!({ "type": "null" });
        let plain =
            json!({ "items": { "properties": { "value": { "pattern": r"^(?:[^{}]|\{\{|\}\})*$" } } } });
        json!([
            {
                "title": "Without a credential",
                "properties": {
                    "authMode": { "enum": ["none", null] }, "serverToken": absent(), "oauth": absent(),
                    "credentialHeaders": plain,
                },
            },
            {
                "title": "With the organization's token",
                "required": ["authMode", "serverToken"],
                "properties": {
                    "authMode": { "const": "server_token" }, "serverToken": { "type": "string" }, "oauth": absent(),
                },
            },
            {
                "title": "With each user's token",
                "required": ["authMode"],
                "properties": { "authMode": { "const": "user_token" }, "serverToken": absent(), "oauth": absent() },
            },
            {
                "title": "By OAuth",
                "required": ["authMode"],
                "properties": { "authMode": { "const": "oauth" }, "serverToken": absent() },
            },
        ])
    }
}

async fn create(
    platform: &Platform,
    admin: Admin,
    Json(Ruled(body)): Json<Ruled<CreateRequest>>,
) -> Result<Created<One>> {
    let placing = Placing {
        slug: None,
        state: State::Running,
        revives: body.confirm_unarchive.unwrap_or_default(),
        viewer: &admin.subject,
    };
    // (1), (2)
    let integration = place(platform, &draft(body)?, &placing).await?;
    // (3)
    validate_later(platform, integration.clone(), admin.subject.clone());
    // (4)
    let location = Some(format!("/api/v1/integrations/{}", integration.id));
    Ok(Created { body: integration.into(), location })
}

/// Turns the body into a draft, and checks the fields that a draft does not check by itself.
fn draft(body: CreateRequest) -> Result<Draft> {
    let auth_mode = body.auth_mode.unwrap_or(AuthMode::None);
    if auth_mode == AuthMode::ServerToken && body.server_token.is_none() {
        return Err(token_missing());
    }
    Ok(Draft {
        name: check_name("name", &body.name)?,
        description: body
            .description
            .as_deref()
            .map(|text| check_description("description", text))
            .transpose()?,
        url: body.url,
        category: body.category.unwrap_or(Category::GatewayRemoteMcp),
        auth_mode,
        oauth: body.oauth,
        capabilities: body.capabilities,
        credential_schema: body.credential_schema,
        headers: body.credential_headers,
        tool_policy: body.tool_policy.unwrap_or(ToolPolicy::Auto),
        source: None,
        credential: body.server_token.as_ref().map(server_token).transpose()?,
    })
}
