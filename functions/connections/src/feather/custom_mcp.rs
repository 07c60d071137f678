//! `POST /v1/integrations/connections/custom-mcp`: connects a customer's MCP server.
//!
//! (1) The body becomes a draft, without the fields that belong to another `auth_type`; (2) the draft is stored, also in
//! the place of an archived connection of the same name; (3) with static credentials the connection is active at once;
//! with OAuth the authorization begins, and a connection whose authorization cannot begin is removed again.

mod headers;
mod request;

use kernel::secret::Secret;
use kernel::{Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::{HeaderTemplate, ORGANIZATION, Values};
use postern_core::model::field::{check_name, check_token};
use postern_core::model::integration::{AuthMode, Category, Integration, State, ToolPolicy};
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::flow::{Start, Started, begin};
use postern_core::registry::draft::{Draft, OauthInput};
use postern_core::registry::place::{Placing, place};
use postern_core::store::integrations;
use postern_core::upstream::validation::validate_later;
use postern_core::{Family, Platform};
use serde::Serialize;
use web::{Created, Json, Ruled};

use self::request::{API_KEY_HEADER, AuthType, ConnectRequest};
use super::VENDOR;
use super::view::Status;
use super::words;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .post("/connections/custom-mcp", connect)
        .summary("connectCustomMcp", "Connect a customer's MCP server")
        .description(
            "With static credentials it is active at once; with OAuth it waits for the provider's redirect.",
        )
        .returns("Connected, or waiting for consent.")
        .error(400, "A field, or a rule between two of them, is broken.")
        .error(409, "The nickname is taken.")
        .error(502, "The authorization server cannot be used; nothing is kept.")
}

/// The answer to a connect request; `authorize_url` and `state` are null unless `auth_type` is `oauth`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CustomMcpConnected, description = "A new connection.")]
struct ConnectResponse {
    /// A UUID.
    #[schema(format = "uuid")]
    connection_id: String,
    status: Status,
    /// Always `custom_mcp`.
    #[schema(example = "custom_mcp")]
    vendor: &'static str,
    /// Where to send the browser; null unless `auth_type` is `oauth`.
    #[schema(required = true)]
    authorize_url: Option<String>,
    /// The `state` that the authorization server sends back to the callback (RFC 6749 §4.1.2); null unless `auth_type`
    /// is `oauth`.
    #[schema(required = true)]
    state: Option<String>,
    /// The fields of the request that were ignored, because they belong to another `auth_type`; absent if none was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    ignored_fields: Vec<&'static str>,
}

/// Connects a server. Answers 201 `{connection_id, status, vendor, authorize_url, state, ignored_fields?}`; 400 for a
/// broken rule; 409 for a taken nickname; 502 when the authorization server cannot be used.
async fn connect(
    platform: &Platform,
    admin: Admin,
    Json(Ruled(body)): Json<Ruled<ConnectRequest>>,
) -> Result<Created<ConnectResponse>> {
    // (1), (2)
    let ignored_fields = body.ignored();
    let draft = draft(body)?;
    let placing = Placing { slug: None, state: State::Running, revives: true, viewer: &admin.subject };
    let integration = place(platform, &draft, &placing).await.map_err(words::error)?;
    // (3)
    let connection_id = integration.id.clone();
    let started = if draft.auth_mode == AuthMode::Oauth {
        Some(begin_or_remove(platform, &integration, &admin.subject).await?)
    } else {
        validate_later(platform, integration, admin.subject.clone());
        None
    };
    let status = if started.is_some() { Status::PendingOauth } else { Status::Active };
    let (authorize_url, state) = started.map(|started| (started.authorization_url, started.state)).unzip();
    let vendor = VENDOR;
    let body = ConnectResponse { connection_id, status, vendor, authorize_url, state, ignored_fields };
    Ok(Created { body, location: None })
}

/// Begins the organization's authorization. If that fails, the new connection is archived and the error returned.
async fn begin_or_remove(platform: &Platform, integration: &Integration, actor: &str) -> Result<Started> {
    let [_, callback, _] = CALLBACKS;
    let start = Start { integration, owner: ORGANIZATION, actor, callback, return_url: None, browser: None };
    match begin(platform, &start).await {
        Ok(started) => Ok(started),
        Err(error) => {
            integrations::archive(platform, &integration.id, true).await?;
            Err(words::error(error.into()))
        }
    }
}

fn draft(body: ConnectRequest) -> Result<Draft> {
    let auth_type = body.auth_type.unwrap_or_default();
    let name = check_name("nickname", &body.nickname)?;
    let Credential { mode, template, values } = credential(&body, auth_type)?;
    let oauth = (mode == AuthMode::Oauth).then(|| OauthInput {
        scopes: body.oauth_scopes,
        client_id: body.oauth_client_id,
        client_secret: body.oauth_client_secret.map(Some),
        authorization_url: body.oauth_authorize_url,
        token_url: body.oauth_token_url,
        ..OauthInput::default()
    });
    Ok(Draft {
        name,
        description: None,
        url: body.server_url,
        category: Category::GatewayRemoteMcp,
        auth_mode: mode,
        oauth,
        capabilities: None,
        credential_schema: None,
        headers: headers::templates(template, body.headers.unwrap_or_default())?,
        tool_policy: ToolPolicy::Auto,
        source: Some("custom-mcp".to_owned()),
        credential: values,
    })
}

/// How the registry stores an `auth_type`.
struct Credential {
    mode: AuthMode,
    /// The header that carries the credential; `None` without one.
    template: Option<HeaderTemplate>,
    /// The organization's token; `None` without a token.
    values: Option<Values>,
}

fn credential(body: &ConnectRequest, auth_type: AuthType) -> Result<Credential> {
    let (mode, template, values) = match auth_type {
        AuthType::None => (AuthMode::None, None, None),
        AuthType::Oauth => (AuthMode::Oauth, Some(HeaderTemplate::bearer()), None),
        AuthType::Bearer => {
            let token = required("token", body.token.as_ref())?;
            (AuthMode::ServerToken, Some(HeaderTemplate::bearer()), Some(token))
        }
        AuthType::ApiKey => {
            let name = body.api_key_header.clone().unwrap_or_else(|| API_KEY_HEADER.to_owned());
            let template = HeaderTemplate { name, value: "{token}".to_owned() };
            (AuthMode::ServerToken, Some(template), Some(required("api_key", body.api_key.as_ref())?))
        }
    };
    Ok(Credential { mode, template, values })
}

fn required(field: &'static str, secret: Option<&Secret<String>>) -> Result<Values> {
    let secret = secret.ok_or_else(|| Error::invalid_field(field, "is required with this auth_type"))?;
    check_token(field, secret.expose())?;
    Ok(Values::token(secret.expose().clone()))
}
