//! `POST /api/v1/integrations`.
//!
//! (1) Read strictly; (2) check every field and the rules between them; (3) store, under the first free slug;
//! (4) answer 201; (5) probe the upstream after the answer.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::auth::Caller;
use shared::http::request::json;
use shared::http::{Request, Response};
use shared::model::credential::HeaderTemplate;
use shared::model::integration::{AuthMode, Category, State, ToolPolicy, check_description, check_name};
use shared::seal::Secret;
use shared::{Platform, Result};

use super::view::One;
use shared::mcp::validation::validate_later;
use shared::registry::draft::{Draft, OauthInput, server_token, token_missing};
use shared::registry::place::{Placing, place};

/// The body of a create.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateRequest {
    name: String,
    description: Option<String>,
    url: String,
    category: Option<Category>,
    auth_mode: Option<AuthMode>,
    oauth: Option<OauthInput>,
    capabilities: Option<Box<RawValue>>,
    credential_schema: Option<Box<RawValue>>,
    server_token: Option<Secret<String>>,
    credential_headers: Option<Vec<HeaderTemplate>>,
    tool_policy: Option<ToolPolicy>,
    #[serde(default)]
    confirm_unarchive: bool,
}

/// 201 `{integration}`; 400, 401, 403, 409.
pub(crate) async fn create(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    // (1)
    let body: CreateRequest = shared::http::json::parse(&request.body)?;
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
