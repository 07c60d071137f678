//! `GET /mcp/integrations` and `…/{id}/oauth/…`: the caller's own connections, in the Kontext dialect.

use kernel::Result;
use kernel::net::without_query;
use kernel::time::Timestamp;
use postern_core::auth::{ApiKeys, Caller, User};
use postern_core::model::integration::{AuthMode, Category, Integration, IntegrationId, State};
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::disconnect::disconnect;
use postern_core::oauth::flow::{ReturnPath, Start, begin, check_connectable, check_return_url};
use postern_core::policy::authorize_connection;
use postern_core::store::integrations;
use postern_core::{Family, Platform};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use web::paging::{Camel, Cursor, Keyset, Page};
use web::{Json, NoContent, OptionalJson, Path, Query};

const CURSOR: &str = "connectable integrations";
const PAGE: u32 = 200;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .get("", list)
        .summary("listConnectable", "List the integrations that the caller may use")
        .description("Those that are running, in order of creation. A page may have fewer than fit.")
        .returns("A page of them.")
        .error(400, "`cursor` is not usable.")
        .post("/{id}/oauth/init", init)
        .summary("initOauth", "Begin to connect the caller to an upstream")
        .description("The caller's own connection, by consent at the provider.")
        .returns("Started.")
        .error(400, "`returnTo` is not usable.")
        .error(404, NOT_FOUND)
        .error(409, "Nobody connects to it by OAuth.")
        .error(502, "The authorization server cannot be used.")
        .get("/{id}/oauth/connection", connection)
        .summary("getOauthConnection", "Whether the caller is connected to an upstream")
        .returns("The connection, also where there is none.")
        .error(404, NOT_FOUND)
        .delete("/{id}/oauth/connection", revoke)
        .summary("revokeOauthConnection", "Disconnect the caller from an upstream")
        .description("Revoked at the provider (RFC 7009) where it offers that, then deleted here.")
        .returns("There is none now.")
        .error(404, NOT_FOUND)
}

const NOT_FOUND: &str = "No such integration, or one that the caller may not use.";

/// How a user connects.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum ConnectType {
    /// By consent at the provider.
    Oauth,
    /// By pasting a token.
    UserToken,
    /// By filling in what `credentialSchema` asks for.
    Credentials,
    /// Users have nothing to connect.
    None,
}

/// An integration as its users see it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectableIntegration)]
struct Item {
    /// A UUID.
    #[schema(format = "uuid")]
    id: String,
    /// Unique short name: prefix of its tools.
    slug: String,
    /// Display name.
    name: String,
    /// The upstream's MCP endpoint, without the query that an operator may have written a key into.
    #[schema(format = "uri")]
    url: String,
    category: Category,
    connect_type: ConnectType,
    auth_mode: AuthMode,
    /// A JSON Schema of what to paste.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    credential_schema: Option<Box<RawValue>>,
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
struct ItemConnection {
    /// Whether there is one that can be used.
    connected: bool,
    /// `connected` or `disconnected`.
    #[schema(example = "connected")]
    status: &'static str,
    /// When the credential ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

impl From<Integration> for Item {
    fn from(integration: Integration) -> Self {
        let connection = integration.has_user_credentials().then(|| ItemConnection::of(&integration));
        let content = integration.content;
        let connect_type = match (content.auth_mode, &content.credential_schema) {
            (AuthMode::Oauth, _) => ConnectType::Oauth,
            (AuthMode::UserToken, Some(_)) => ConnectType::Credentials,
            (AuthMode::UserToken, None) => ConnectType::UserToken,
            (AuthMode::ServerToken | AuthMode::None, _) => ConnectType::None,
        };
        Self {
            id: integration.id,
            slug: integration.slug,
            name: content.name,
            url: without_query(&content.url).to_owned(),
            category: content.category,
            connect_type,
            auth_mode: content.auth_mode,
            credential_schema: content.credential_schema,
            requires_oauth: content.auth_mode == AuthMode::Oauth,
            connection,
        }
    }
}

impl ItemConnection {
    fn of(integration: &Integration) -> Self {
        let connected = is_connected(integration);
        Self {
            connected,
            status: if connected { "connected" } else { "disconnected" },
            expires_at: expiry(integration),
        }
    }
}

/// Whether the user for whom the integration was read has a connection that can be used. A connection whose grant has
/// ended at the provider cannot.
fn is_connected(integration: &Integration) -> bool {
    integration.user_connection.is_some_and(|connection| !connection.needs_reauth)
}

/// When the credential of the user for whom the integration was read expires; `None` if that is not known.
fn expiry(integration: &Integration) -> Option<Timestamp> {
    integration.user_connection.and_then(|connection| connection.expires_at)
}

/// `{items, nextCursor?}`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectablePage, description = "A page of integrations.")]
struct Items {
    /// In order of creation.
    items: Vec<Item>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// Answers 200 `{items, nextCursor?}`. The page is cut first and filtered after that: integrations that are stopped or
/// that the caller may not use are left out, so a page may be shorter than others.
async fn list(
    platform: &Platform,
    caller: Caller,
    Query(cursor): Query<Cursor<Camel>>,
) -> Result<Json<Items>> {
    let keys = &platform.settings.keys;
    let after: Option<Keyset> = cursor.place(keys, CURSOR)?;
    let found = integrations::list(platform, &caller.subject, after.as_ref(), None, PAGE + 1).await?;
    let Page { rows, next } = Page::cut(keys, CURSOR, found, PAGE as usize, |row| Keyset {
        created_at: row.created_at.millis(),
        id: row.id.clone(),
    })?;
    let is_offered = |integration: &Integration| {
        integration.state == State::Running
            && authorize_connection(caller.persona.as_deref(), &integration.slug)
    };
    let items = rows.into_iter().filter(is_offered).map(Into::into).collect();
    Ok(Json(Items { items, next_cursor: next }))
}

/// The optional body of `oauth/init`.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OauthInit, description = "Where to go afterwards. The body may be left out.")]
struct InitRequest {
    /// Where the browser is sent in the end.
    #[schema(value_type = Option<ReturnPath>)]
    return_to: Option<String>,
}

/// A started authorization.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OauthInitiated)]
struct InitResponse {
    /// Where to send the browser.
    authorization_url: String,
    /// The `state` that the authorization server sends back to the callback (RFC 6749 §4.1.2).
    state: String,
    /// When the authorization expires if it is not finished.
    expires_at: Timestamp,
}

/// Starts an authorization for the caller's own connection. Answers 200 `{authorizationUrl, state, expiresAt}`; 404
/// for an integration that the caller may not use; 409 where users do not connect by OAuth; 502 when the authorization
/// server cannot be used.
async fn init(
    platform: &Platform,
    user: User,
    Path(id): Path<IntegrationId>,
    OptionalJson(body): OptionalJson<InitRequest>,
) -> Result<Json<InitResponse>> {
    let integration = usable(platform, &user, id).await?;
    check_connectable(&integration)?;
    let [callback, ..] = CALLBACKS;
    let start = Start {
        integration: &integration,
        owner: &user.subject,
        actor: &user.subject,
        callback,
        return_url: check_return_url(body.unwrap_or_default().return_to)?,
        browser: None,
    };
    let started = begin(platform, &start).await?;
    Ok(Json(InitResponse {
        authorization_url: started.authorization_url,
        state: started.state,
        expires_at: started.expires_at,
    }))
}

/// Whether the caller is connected, in snake case: Kontext's own spelling on this route.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "Whether the caller is connected.")]
struct OauthConnection {
    /// Whether there is a connection that can be used.
    connected: bool,
    /// When the credential ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

/// Answers 200 `{connected, expires_at?}`, also without a connection; 404 for an integration that the caller may not
/// use.
async fn connection(
    platform: &Platform,
    user: User,
    Path(id): Path<IntegrationId>,
) -> Result<Json<OauthConnection>> {
    let integration = usable(platform, &user, id).await?;
    Ok(Json(OauthConnection { connected: is_connected(&integration), expires_at: expiry(&integration) }))
}

/// Revokes the grant at the provider (RFC 7009) and deletes the credential. Answers 204, also without a connection.
async fn revoke(platform: &Platform, user: User, Path(id): Path<IntegrationId>) -> Result<NoContent> {
    let integration = usable(platform, &user, id).await?;
    disconnect(platform, &integration, &user.subject, &user.subject).await?;
    Ok(NoContent)
}

/// Reads the integration `id`. The error is 404 also for an integration that the caller may not use.
async fn usable(platform: &Platform, caller: &Caller, id: IntegrationId) -> Result<Integration> {
    let found = integrations::find(platform, &caller.subject, &id.to_string()).await?;
    found
        .filter(|found| authorize_connection(caller.persona.as_deref(), &found.slug))
        .ok_or_else(IntegrationId::not_found)
}
