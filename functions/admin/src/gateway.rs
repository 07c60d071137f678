//! `/api/v1/admin/gateway/connections/{name}/…`: connections of the gateway; `{name}` is the slug.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use postern_core::auth::Caller;
use web::dialect::Problem;
use web::request::json;
use web::{Request, Response};
use postern_core::model::credential::ORGANIZATION;
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::flow::{Start, begin, check_connectable, check_return_url};
use kernel::ports::Timestamp;
use postern_core::store::integrations;
use kernel::{Error, Result};
use postern_core::Platform;

/// The body of `oauth-start`; it may be absent.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OauthStart, description = "Where to go afterwards. The body may be left out.")]
pub(crate) struct StartRequest {
    /// Where the browser is sent in the end.
    return_url: Option<String>,
}

/// A started authorization.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = OauthStarted)]
pub(crate) struct StartResponse {
    /// Where to send the browser.
    authorization_url: String,
    /// What the callback will know it by.
    state: String,
    /// The callback.
    redirect_uri: String,
    /// When it is too late to finish it.
    expires_at: Timestamp,
}

/// 200 `{authorization_url, state, redirect_uri, expires_at}`: the organization's own connection begins. 404; 409 when the
/// connection is not one that people sign in to; 502 when its authorization server cannot be used.
#[utoipa::path(
    post,
    path = "/api/v1/admin/gateway/connections/{name}/oauth-start",
    operation_id = "startOauth",
    tag = "Admin",
    summary = "Begin to connect the organization to an upstream",
    description = "The organization's own connection, by consent at the provider.",
    params(("name" = String, Path, description = "The connection's name: an integration's slug.")),
    request_body = Option<StartRequest>,
    responses(
        (status = 200, description = "Started.", body = StartResponse),
        (
            status = 400,
            description = "`return_url` is not usable.",
            body = Problem,
            content_type = "application/problem+json"
        ),
        (
            status = 404,
            description = "No such connection.",
            body = Problem,
            content_type = "application/problem+json"
        ),
        (
            status = 409,
            description = "The connection is not one that people sign in to.",
            body = Problem,
            content_type = "application/problem+json"
        ),
        (
            status = 502,
            description = "The authorization server cannot be used.",
            body = Problem,
            content_type = "application/problem+json"
        )
    )
)]
pub(crate) async fn oauth_start(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let body = if request.body.is_empty() {
        StartRequest::default()
    } else {
        web::json::parse(&request.body)?
    };
    let found = integrations::find_by_slug(platform, request.text_param("name")).await?;
    let integration = found.ok_or_else(|| Error::not_found("gateway connection not found"))?;
    check_connectable(&integration)?;
    let start = Start {
        integration: &integration,
        owner: ORGANIZATION,
        actor: &caller.subject,
        callback: CALLBACKS[2],
        return_url: check_return_url(body.return_url)?,
        browser: None,
    };
    let started = begin(platform, &start).await?;
    json(
        StatusCode::OK,
        &StartResponse {
            authorization_url: started.authorization_url,
            state: started.state,
            redirect_uri: started.redirect_uri,
            expires_at: started.expires_at,
        },
    )
}
