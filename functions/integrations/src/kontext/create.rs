//! `POST /api/v1/integrations`.
//!
//! (1) Read strictly; (2) check every field and the rules between them; (3) store, under the first free slug;
//! (4) answer 201; (5) probe the upstream after the answer.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use postern_core::auth::Caller;
use web::dialect::KontextError;
use web::request::json;
use web::{Request, Response};
use postern_core::model::credential::HeaderTemplate;
use postern_core::model::integration::{AuthMode, Category, State, ToolPolicy, check_description, check_name};
use kernel::secret::Secret;
use postern_core::Platform;
use kernel::Result;

use super::view::One;
use crate::openapi::capabilities_or_null;
use postern_core::upstream::validation::validate_later;
use postern_core::registry::draft::{Draft, OauthInput, server_token, token_missing};
use postern_core::registry::place::{Placing, place};

/// The body of a create.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreateIntegration, description = "A new integration. Unknown fields are refused.")]
pub(crate) struct CreateRequest {
    /// Display name, unlike that of any other integration.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Free text for people.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// The upstream's MCP endpoint: https, at a public name or address.
    #[schema(format = "uri", example = "https://mcp.example.com/mcp")]
    url: String,
    /// `gateway_remote_mcp` unless said otherwise.
    category: Option<Category>,
    /// `none` unless said otherwise.
    auth_mode: Option<AuthMode>,
    /// Only for `authMode` `oauth`.
    oauth: Option<OauthInput>,
    #[schema(schema_with = capabilities_or_null)]
    capabilities: Option<Box<RawValue>>,
    /// A JSON Schema that credentials which users paste have to fit; without remote references.
    #[schema(value_type = Option<Object>)]
    credential_schema: Option<Box<RawValue>>,
    /// The organization's token: required for `authMode` `server_token`, refused for others. Sealed at once, never
    /// returned.
    #[schema(value_type = Option<String>, format = Password, write_only, min_length = 1, max_length = 16384)]
    server_token: Option<Secret<String>>,
    /// Headers to present instead of `Authorization: Bearer {token}`. Sealed as a whole, never returned.
    #[schema(min_items = 1)]
    credential_headers: Option<Vec<HeaderTemplate>>,
    /// `auto` unless said otherwise.
    tool_policy: Option<ToolPolicy>,
    /// Whether an archived integration of this name may come back as this one.
    #[serde(default)]
    #[schema(default = false)]
    confirm_unarchive: bool,
}

/// 201 `{integration}`; 400, 401, 403, 409.
#[utoipa::path(
    post,
    path = "/api/v1/integrations",
    operation_id = "createIntegration",
    tag = "Kontext",
    summary = "Register an upstream MCP server",
    description = "The integration runs at once; the upstream is probed after the answer.",
    request_body = CreateRequest,
    responses(
        (
            status = 201,
            description = "Registered; not probed yet.",
            body = One,
            headers(("Location" = String, description = "Where it is."))
        ),
        (status = 400, description = "A field, or a rule between two of them, is broken.", body = KontextError),
        (
            status = 409,
            description = "The name is taken (`code` is `duplicate`), or belongs to an archived integration and \
                           `confirmUnarchive` is missing (`conflict`).",
            body = KontextError
        )
    )
)]
pub(crate) async fn create(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    // (1)
    let body: CreateRequest = web::json::parse(&request.body)?;
    let placing = Placing {
        slug: None,
        state: State::Running,
        revives: body.confirm_unarchive,
        viewer: &caller.subject,
    };
    // (2), (3)
    let integration = place(platform, &draft(body)?, &placing).await?;
    // (4)
    let mut response = json(StatusCode::CREATED, &One { integration: (&integration).into() })?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/integrations/{}", integration.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    // (5)
    validate_later(platform, integration, caller.subject);
    Ok(response)
}

fn draft(body: CreateRequest) -> Result<Draft> {
    let auth_mode = body.auth_mode.unwrap_or(AuthMode::None);
    if auth_mode == AuthMode::ServerToken && body.server_token.is_none() {
        return Err(token_missing());
    }
    Ok(Draft {
        name: check_name(&body.name)?,
        description: body.description.as_deref().map(check_description).transpose()?,
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
