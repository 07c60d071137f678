//! `/api/v1/admin/gateway/connections/{name}/…`: connections of the gateway; `{name}` is the slug.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::auth::Caller;
use shared::http::request::json;
use shared::http::{Request, Response};
use shared::model::credential::ORGANIZATION;
use shared::oauth::client::CALLBACKS;
use shared::oauth::flow::{Start, begin, check_connectable, check_return_url};
use shared::platform::Timestamp;
use shared::store::integrations;
use shared::{Error, Platform, Result};

/// The body of `oauth-start`; it may be absent.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRequest {
    return_url: Option<String>,
}

/// A started authorization.
#[derive(Serialize)]
pub(crate) struct StartResponse {
    authorization_url: String,
    state: String,
    redirect_uri: String,
    expires_at: Timestamp,
}

/// 200 `{authorization_url, state, redirect_uri, expires_at}`: the organization's own connection begins. 404; 409 when the
/// connection is not one that people sign in to; 502 when its authorization server cannot be used.
pub(crate) async fn oauth_start(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let body = if request.body.is_empty() {
        StartRequest::default()
    } else {
        shared::http::json::parse(&request.body)?
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
