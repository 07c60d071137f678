//! `GET /mcp/integrations` and `…/{id}/oauth/…`: the caller's own connections, in the Kontext dialect.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::auth::{Caller, authorize_connection};
use shared::http::cursor::{self, Keyset};
use shared::http::request::{empty, json};
use shared::http::{Request, Response};
use shared::model::integration::{AuthMode, Category, Integration, IntegrationId, State};
use shared::oauth::client::CALLBACKS;
use shared::oauth::disconnect::disconnect;
use shared::oauth::flow::{Start, begin, check_connectable, check_return_url};
use shared::platform::Timestamp;
use shared::store::integrations;
use shared::{Error, Platform, Result};

const CURSOR: &str = "connectable integrations";
const PAGE: u32 = 200;

/// How a user connects.
#[derive(Clone, Copy, Serialize)]
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item<'a> {
    id: &'a str,
    slug: &'a str,
    name: &'a str,
    url: &'a str,
    category: Category,
    connect_type: ConnectType,
    auth_mode: AuthMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_schema: Option<&'a RawValue>,
    requires_oauth: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ItemConnection>,
}

/// The caller's own connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemConnection {
    connected: bool,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Items<'a> {
    items: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// 200 `{items, nextCursor?}`: the running integrations that the caller may use, in order of creation. A page may have
/// fewer items than fit: what others may use is left out.
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
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InitRequest {
    return_to: Option<String>,
}

/// A started authorization.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitResponse {
    authorization_url: String,
    state: String,
    expires_at: Timestamp,
}

/// 200 `{authorizationUrl, state, expiresAt}`; 404; 409 where nobody connects by OAuth; 502 when the authorization server
/// cannot be used.
pub(crate) async fn init(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    check_connectable(&integration)?;
    let body = if request.body.is_empty() {
        InitRequest::default()
    } else {
        shared::http::json::parse(&request.body)?
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
#[derive(Serialize)]
pub(crate) struct OauthConnection {
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// 200 `{connected, expires_at?}`; 404.
pub(crate) async fn connection(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    let expires_at = integration.user_connection.and_then(|connection| connection.expires_at);
    json(StatusCode::OK, &OauthConnection { connected: is_connected(&integration), expires_at })
}

/// 204, also where there is none: revoked at the provider (RFC 7009), then here.
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
