//! `POST /v1/integrations/connections/custom-mcp`: connects a customer's MCP server.
//!
//! (1) The body becomes a draft; a field that does not go with its `auth_type` is refused; (2) the draft is stored,
//! also in the place of an archived connection of the same name; (3) with static credentials the connection is active
//! at once; with OAuth the authorization begins, and a connection whose authorization cannot begin is removed again.

use std::collections::BTreeMap;

use kernel::net::UpstreamUrl;
use kernel::schema::in_any_case;
use kernel::secret::Secret;
use kernel::{Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::schema::{HeaderName, PlainHeaders};
use postern_core::model::credential::{HeaderTemplate, MOST, ORGANIZATION, Values};
use postern_core::model::field::{DisplayName, Token, check_name, check_token};
use postern_core::model::integration::{AuthMode, Category, Integration, State, ToolPolicy};
use postern_core::model::oauth::{OauthText, Scopes};
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::flow::{Start, Started, begin};
use postern_core::registry::draft::{Draft, OauthInput};
use postern_core::registry::place::{Placing, place};
use postern_core::store::integrations;
use postern_core::upstream::validation::validate_later;
use postern_core::{Family, Platform};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web::{Created, Json, Ruled, Rules};

use super::Transport;
use super::VENDOR;
use super::read::Status;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .post("/connections/custom-mcp", connect)
        .summary("connectCustomMcp", "Connect a customer's MCP server")
        .description(
            "With static credentials it is active at once; with OAuth it waits for the provider's redirect.",
        )
        .returns("Connected, or on the way.")
        .error(400, "A field, or a rule between two of them, is broken.")
        .error(409, "The nickname is taken.")
        .error(502, "The authorization server cannot be used; nothing is kept.")
}

/// What kind of credential the server wants.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum AuthType {
    /// No credential.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer,
    /// A key in a header of its own.
    ApiKey,
    /// OAuth, by the organization's consent.
    Oauth,
}

/// The body of a connect request; `null` means the same as an absent field.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(
    as = ConnectCustomMcp,
    description = "A customer's MCP server. What `auth_type` does not use must not be there; `null` is the same as absent."
)]
struct ConnectRequest {
    /// Display name, unlike that of any other connection.
    #[schema(value_type = DisplayName)]
    nickname: String,
    /// The server's MCP endpoint: https, at a public name or address.
    #[schema(value_type = UpstreamUrl)]
    server_url: String,
    /// A hint; what the server speaks is found out.
    #[serde(default, rename = "transport")]
    _transport: Option<Transport>,
    /// `none` unless said otherwise.
    auth_type: Option<AuthType>,
    /// Required with `bearer`. Sealed at once, never returned.
    #[schema(value_type = Option<Token>)]
    token: Option<Secret<String>>,
    /// Required with `api_key`. Sealed at once, never returned.
    #[schema(value_type = Option<Token>)]
    api_key: Option<Secret<String>>,
    /// Where the key goes; `X-API-Key` unless said otherwise.
    #[schema(value_type = Option<HeaderName>)]
    api_key_header: Option<String>,
    /// Further headers. Sealed at once, never returned.
    #[schema(value_type = Option<PlainHeaders>)]
    headers: Option<BTreeMap<String, Secret<String>>>,
    /// Authorization endpoint, where it cannot be discovered.
    #[schema(value_type = Option<UpstreamUrl>)]
    oauth_authorize_url: Option<String>,
    /// Token endpoint, where it cannot be discovered.
    #[schema(value_type = Option<UpstreamUrl>)]
    oauth_token_url: Option<String>,
    /// The client identifier, where clients cannot register by themselves.
    #[schema(value_type = Option<OauthText>)]
    oauth_client_id: Option<String>,
    /// Its secret. Sealed at once, never returned.
    #[schema(value_type = Option<Token>)]
    oauth_client_secret: Option<Secret<String>>,
    /// Scopes to ask for.
    #[schema(value_type = Option<Scopes>)]
    oauth_scopes: Option<Vec<String>>,
}

/// The fields that go with one `auth_type` only.
const PLACES: [(&str, AuthType); 8] = [
    ("token", AuthType::Bearer),
    ("api_key", AuthType::ApiKey),
    ("api_key_header", AuthType::ApiKey),
    ("oauth_authorize_url", AuthType::Oauth),
    ("oauth_token_url", AuthType::Oauth),
    ("oauth_client_id", AuthType::Oauth),
    ("oauth_client_secret", AuthType::Oauth),
    ("oauth_scopes", AuthType::Oauth),
];

impl Rules for ConnectRequest {
    fn alternatives() -> Value {
        let (further, unlike_authorization) =
            (json!({ "maxProperties": MOST - 1 }), in_any_case("authorization"));
        let unlike_authorization = json!({ "not": { "pattern": format!("^{unlike_authorization}$") } });
        let besides_authorization =
            json!({ "maxProperties": MOST - 1, "propertyNames": unlike_authorization });
        let secret = json!([
            { "properties": { "oauth_client_secret": { "type": "null" } } },
            { "required": ["oauth_client_id"], "properties": { "oauth_client_id": { "type": "string" } } },
        ]);
        json!([
            { "title": "Without a credential", "properties": only(AuthType::None, &json!({})) },
            {
                "title": "With a bearer token",
                "required": ["auth_type", "token"],
                "properties": only(AuthType::Bearer, &besides_authorization),
            },
            {
                "title": "With a key in a header of its own",
                "required": ["auth_type", "api_key"],
                "properties": only(AuthType::ApiKey, &further),
            },
            {
                "title": "By OAuth",
                "required": ["auth_type"],
                "properties": only(AuthType::Oauth, &besides_authorization),
                "anyOf": secret,
            },
        ])
    }
}

/// Returns the schemas of the fields of a request with this `auth_type`; `headers` is the one of `headers`.
fn only(auth_type: AuthType, headers: &Value) -> Value {
    let chosen = match auth_type {
        AuthType::None => json!({ "enum": ["none", null] }),
        other => json!({ "const": other }),
    };
    let places = PLACES.map(|(field, wanted)| {
        let schema = match (wanted == auth_type, field) {
            (true, "token" | "api_key") => json!({ "type": "string" }),
            (true, _) => json!({}),
            (false, "oauth_scopes") => json!({ "maxItems": 0 }),
            (false, _) => json!({ "type": "null" }),
        };
        (field.to_owned(), schema)
    });
    let common = [("headers".to_owned(), headers.clone()), ("auth_type".to_owned(), chosen)];
    common.into_iter().chain(places).collect()
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
}

/// Connects a server. Answers 201 `{connection_id, status, vendor, authorize_url, state}`; 400 for a broken rule; 409
/// for a taken nickname; 502 when the authorization server cannot be used.
async fn connect(
    platform: &Platform,
    admin: Admin,
    Json(Ruled(body)): Json<Ruled<ConnectRequest>>,
) -> Result<Created<ConnectResponse>> {
    // (1), (2)
    let draft = draft(body)?;
    let placing = Placing { slug: None, state: State::Running, revives: true, viewer: &admin.subject };
    let integration = place(platform, &draft, &placing).await?;
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
    let body = ConnectResponse { connection_id, status, vendor: VENDOR, authorize_url, state };
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
            Err(error.into())
        }
    }
}

fn draft(body: ConnectRequest) -> Result<Draft> {
    let auth_type = body.auth_type.unwrap_or_default();
    check_placed(&body, auth_type)?;
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
        headers: headers(mode, template, body.headers.unwrap_or_default())?,
        tool_policy: ToolPolicy::Auto,
        source: Some("custom-mcp".to_owned()),
        credential: values,
    })
}

/// Refuses fields that belong to another `auth_type`.
fn check_placed(body: &ConnectRequest, auth_type: AuthType) -> Result<()> {
    let given = [
        body.token.is_some(),
        body.api_key.is_some(),
        body.api_key_header.is_some(),
        body.oauth_authorize_url.is_some(),
        body.oauth_token_url.is_some(),
        body.oauth_client_id.is_some(),
        body.oauth_client_secret.is_some(),
        body.oauth_scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()),
    ];
    let misplaced =
        PLACES.iter().zip(given).find(|((_, wanted), is_given)| *is_given && *wanted != auth_type);
    match misplaced {
        Some(((field, _), _)) => Err(Error::invalid_field(field, "does not go with this auth_type")),
        None => Ok(()),
    }
}

/// How the registry stores an `auth_type`.
struct Credential {
    mode: AuthMode,
    /// The header that carries the organization's token; `None` without a token.
    template: Option<HeaderTemplate>,
    /// The organization's token; `None` without a token.
    values: Option<Values>,
}

fn credential(body: &ConnectRequest, auth_type: AuthType) -> Result<Credential> {
    let (mode, template, values) = match auth_type {
        AuthType::None => (AuthMode::None, None, None),
        AuthType::Oauth => (AuthMode::Oauth, None, None),
        AuthType::Bearer => {
            let token = required("token", body.token.as_ref())?;
            (AuthMode::ServerToken, Some(HeaderTemplate::bearer()), Some(token))
        }
        AuthType::ApiKey => {
            let name = body.api_key_header.clone().unwrap_or_else(|| "X-API-Key".to_owned());
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

/// Returns the credential's own header and the customer's further headers as templates; they are sealed when they are
/// stored, because their values may be secrets. Returns `None` if there is no further header and the credential's own
/// is absent or named `Authorization`: without templates, Postern presents `Authorization: Bearer {token}`. A further
/// header must not contain placeholders.
fn headers(
    mode: AuthMode,
    first: Option<HeaderTemplate>,
    further: BTreeMap<String, Secret<String>>,
) -> Result<Option<Vec<HeaderTemplate>>> {
    // Without templates a token is presented as a bearer token.
    if further.is_empty() && first.as_ref().is_none_or(HeaderTemplate::is_bearer) {
        return Ok(None);
    }
    let mut templates: Vec<HeaderTemplate> = first.into_iter().collect();
    if mode == AuthMode::Oauth {
        templates.push(HeaderTemplate::bearer());
    }
    for (name, value) in further {
        if value.expose().contains(['{', '}']) {
            return Err(Error::invalid("a value in headers must not contain braces"));
        }
        templates.push(HeaderTemplate { name, value: value.expose().clone() });
    }
    Ok(Some(templates))
}
