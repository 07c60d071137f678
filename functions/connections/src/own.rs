//! `GET /mcp/integrations` and `…/{id}/oauth/…`: the caller's own connections, in the Kontext dialect.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use postern_core::auth::Caller;
use postern_core::policy::authorize_connection;
use web::cursor;
use web::cursor::Keyset;
use web::dialect::KontextError;
use web::request::{empty, json};
use web::{Request, Response};
use postern_core::model::integration::{AuthMode, Category, Integration, IntegrationId, State};
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::disconnect::disconnect;
use postern_core::oauth::flow::{Start, begin, check_connectable, check_return_url};
use kernel::ports::Timestamp;
use postern_core::store::integrations;
use kernel::{Error, Result};
use postern_core::Platform;

const CURSOR: &str = "connectable integrations";
const PAGE: u32 = 200;

/// How a user connects.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConnectType {
    /// By consent at the provider.
    Oauth,
    /// By pasting a token.
    UserToken,
    /// By filling in what `credentialSchema` asks for.
    Credentials,
    /// Not at all.
    None,
}

/// An integration as its users see it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectableIntegration)]
pub(crate) struct Item<'a> {
    /// A UUID.
    #[schema(format = "uuid")]
    id: &'a str,
    /// Unique short name: prefix of its tools.
    slug: &'a str,
    /// Display name.
    name: &'a str,
    /// The upstream's MCP endpoint.
    #[schema(format = "uri")]
    url: &'a str,
    category: Category,
    connect_type: ConnectType,
    auth_mode: AuthMode,
    /// A JSON Schema of what to paste.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    credential_schema: Option<&'a RawValue>,
    /// Whether it is connected by consent at the provider.
    requires_oauth: bool,
    /// The caller's own; only where each user has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    connection: Option<ItemConnection>,
}

/// The caller's own connection.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OwnConnection)]
pub(crate) struct ItemConnection {
    /// Whether there is one that can be used.
    connected: bool,
    /// The same in a word.
    #[schema(example = "connected")]
    status: &'static str,
    /// When the credential ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

impl<'a> From<&'a Integration> for Item<'a> {
    fn from(integration: &'a Integration) -> Self {
        let content = &integration.content;
        let connect_type = match (content.auth_mode, &content.credential_schema) {
            (AuthMode::Oauth, _) => ConnectType::Oauth,
            (AuthMode::UserToken, Some(_)) => ConnectType::Credentials,
            (AuthMode::UserToken, None) => ConnectType::UserToken,
            (AuthMode::ServerToken | AuthMode::None, _) => ConnectType::None,
        };
        Self {
            id: &integration.id,
            slug: &integration.slug,
            name: &content.name,
            url: &content.url,
            category: content.category,
            connect_type,
            auth_mode: content.auth_mode,
            credential_schema: content.credential_schema.as_deref(),
            requires_oauth: content.auth_mode == AuthMode::Oauth,
            connection: content.auth_mode.is_per_user().then(|| ItemConnection {
                connected: is_connected(integration),
                status: if is_connected(integration) { "connected" } else { "disconnected" },
                expires_at: integration.user_connection.and_then(|connection| connection.expires_at),
            }),
        }
    }
}

/// A grant that is gone is no connection.
fn is_connected(integration: &Integration) -> bool {
    integration.user_connection.is_some_and(|connection| !connection.needs_reauth)
}

/// `{items, nextCursor?}`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectablePage, description = "A page of integrations.")]
pub(crate) struct Items<'a> {
    /// In order of creation.
    items: Vec<Item<'a>>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// 200 `{items, nextCursor?}`: the running integrations that the caller may use, in order of creation. A page may have
/// fewer items than fit: what others may use is left out.
#[utoipa::path(
    get,
    path = "/mcp/integrations",
    operation_id = "listConnectable",
    tag = "Connections",
    summary = "List the integrations that the caller may use",
    description = "Those that are running, in order of creation. A page may have fewer than fit.",
    params(("cursor" = Option<String>, Query, nullable = false, description = "The former page's `nextCursor`.")),
    responses(
        (status = 200, description = "A page of them.", body = Items),
        (status = 400, description = "`cursor` is not usable.", body = KontextError)
    )
)]
pub(crate) async fn list(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let keys = &platform.settings.keys;
    let after: Option<Keyset> =
        request.query("cursor").map(|text| cursor::decode(keys, CURSOR, &text)).transpose()?;
    let mut found = integrations::list(platform, &caller.subject, after.as_ref(), None, PAGE + 1).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let next_cursor = match found.last().filter(|_| more) {
        Some(last) => {
            let place = Keyset { created_at: last.created_at.millis(), id: last.id.clone() };
            Some(cursor::encode(keys, CURSOR, &place)?)
        }
        None => None,
    };
    let offered = |integration: &&Integration| {
        integration.state == State::Running
            && authorize_connection(caller.persona.as_deref(), &integration.slug)
    };
    let items = found.iter().filter(offered).map(Into::into).collect();
    json(StatusCode::OK, &Items { items, next_cursor })
}

/// The body of an init; it may be absent.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OauthInit, description = "Where to go afterwards. The body may be left out.")]
pub(crate) struct InitRequest {
    /// Where the browser is sent in the end.
    return_to: Option<String>,
}

/// A started authorization.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OauthInitiated)]
pub(crate) struct InitResponse {
    /// Where to send the browser.
    authorization_url: String,
    /// What the callback will know it by.
    state: String,
    /// When it is too late to finish it.
    expires_at: Timestamp,
}

/// 200 `{authorizationUrl, state, expiresAt}`; 404; 409 where nobody connects by OAuth; 502 when the authorization server
/// cannot be used.
#[utoipa::path(
    post,
    path = "/mcp/integrations/{id}/oauth/init",
    operation_id = "initOauth",
    tag = "Connections",
    summary = "Begin to connect the caller to an upstream",
    description = "The caller's own connection, by consent at the provider.",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    request_body = Option<InitRequest>,
    responses(
        (status = 200, description = "Started.", body = InitResponse),
        (status = 400, description = "`returnTo` is not usable.", body = KontextError),
        (status = 404, description = "No such integration, or one that the caller may not use.", body = KontextError),
        (status = 409, description = "Nobody connects to it by OAuth.", body = KontextError),
        (status = 502, description = "The authorization server cannot be used.", body = KontextError)
    )
)]
pub(crate) async fn init(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    check_connectable(&integration)?;
    let body = if request.body.is_empty() {
        InitRequest::default()
    } else {
        web::json::parse(&request.body)?
    };
    let start = Start {
        integration: &integration,
        owner: &caller.subject,
        actor: &caller.subject,
        callback: CALLBACKS[0],
        return_url: check_return_url(body.return_to)?,
        browser: None,
    };
    let started = begin(platform, &start).await?;
    json(
        StatusCode::OK,
        &InitResponse {
            authorization_url: started.authorization_url,
            state: started.state,
            expires_at: started.expires_at,
        },
    )
}

/// Whether the caller is connected; snake case, as this route always was.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "Whether the caller is connected.")]
pub(crate) struct OauthConnection {
    /// Whether there is a connection that can be used.
    connected: bool,
    /// When the credential ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

/// 200 `{connected, expires_at?}`; 404.
#[utoipa::path(
    get,
    path = "/mcp/integrations/{id}/oauth/connection",
    operation_id = "getOauthConnection",
    tag = "Connections",
    summary = "Whether the caller is connected to an upstream",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 200, description = "The connection, also where there is none.", body = OauthConnection),
        (status = 404, description = "No such integration, or one that the caller may not use.", body = KontextError)
    )
)]
pub(crate) async fn connection(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    let expires_at = integration.user_connection.and_then(|connection| connection.expires_at);
    json(StatusCode::OK, &OauthConnection { connected: is_connected(&integration), expires_at })
}

/// 204, also where there is none: revoked at the provider (RFC 7009), then here.
#[utoipa::path(
    delete,
    path = "/mcp/integrations/{id}/oauth/connection",
    operation_id = "revokeOauthConnection",
    tag = "Connections",
    summary = "Disconnect the caller from an upstream",
    description = "Revoked at the provider (RFC 7009) where it offers that, then deleted here.",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 204, description = "There is none now."),
        (status = 404, description = "No such integration, or one that the caller may not use.", body = KontextError)
    )
)]
pub(crate) async fn revoke(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    disconnect(platform, &integration, &caller.subject, &caller.subject).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The integration that the path names, by id or slug; 404 for one that the caller may not use.
async fn usable(platform: &Platform, caller: &Caller, request: &Request) -> Result<Integration> {
    caller.require_user()?;
    let id: IntegrationId = request.param("id")?;
    let found = integrations::find(platform, &caller.subject, &id.to_string()).await?;
    found
        .filter(|found| authorize_connection(caller.persona.as_deref(), &found.slug))
        .ok_or_else(|| Error::not_found("Integration not found"))
}
