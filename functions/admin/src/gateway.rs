//! `/api/v1/admin/gateway/connections/{name}/…`: the organization's connections to upstreams; `{name}` is an
//! integration's slug.

use kernel::time::Timestamp;
use kernel::{Error, Result};
use postern_core::auth::{Admin, AdminKeys};
use postern_core::model::credential::ORGANIZATION;
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::flow::{ReturnPath, Start, begin, check_connectable, check_return_url};
use postern_core::store::integrations;
use postern_core::{Family, Platform};
use serde::{Deserialize, Serialize};
use web::{Json, OptionalJson, Path, PathParam};

pub(super) fn routes(family: Family<AdminKeys>) -> Family<AdminKeys> {
    family
        .post("/gateway/connections/{name}/oauth-start", oauth_start)
        .summary("startOauth", "Begin to connect the organization to an upstream")
        .description("The organization's own connection, by consent at the provider.")
        .returns("Started.")
        .error(400, "`return_url` is not usable.")
        .error(404, "No such connection.")
        .error(409, "The connection is not one that people sign in to.")
        .error(502, "The authorization server cannot be used.")
}

/// A connection's name: an integration's slug. Any text is accepted here; an unknown name is answered with 404.
struct ConnectionName(String);

impl PathParam for ConnectionName {
    const NAME: &'static str = "name";

    fn from_param(text: &str) -> Result<Self> {
        Ok(Self(text.to_owned()))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        use postern_core::model::integration::Slug;

        web::openapi::Param::required_of::<Slug>("The connection's name: an integration's slug.")
    }
}

/// The optional body of `oauth-start`.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OauthStart, description = "Where to go afterwards. The body may be left out.")]
struct StartRequest {
    /// Where the browser is sent in the end.
    #[schema(value_type = Option<ReturnPath>)]
    return_url: Option<String>,
}

/// A started authorization.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = OauthStarted)]
struct StartResponse {
    /// Where to send the browser.
    authorization_url: String,
    /// The `state` that the authorization server sends back to the callback (RFC 6749 §4.1.2).
    state: String,
    /// The callback.
    redirect_uri: String,
    /// When the authorization expires if it is not finished.
    expires_at: Timestamp,
}

/// Starts an authorization for the organization's own connection. Answers 200
/// `{authorization_url, state, redirect_uri, expires_at}`; 404 without such an integration; 409 for an integration to
/// which nobody connects by the authorization code grant; 502 when the authorization server cannot be used.
async fn oauth_start(
    platform: &Platform,
    admin: Admin,
    Path(ConnectionName(name)): Path<ConnectionName>,
    OptionalJson(body): OptionalJson<StartRequest>,
) -> Result<Json<StartResponse>> {
    let found = integrations::find_by_slug(platform, &name).await?;
    let integration = found.ok_or_else(|| Error::not_found("gateway connection not found"))?;
    check_connectable(&integration)?;
    let start = Start {
        integration: &integration,
        owner: ORGANIZATION,
        actor: &admin.subject,
        callback: CALLBACKS[2],
        return_url: check_return_url(body.unwrap_or_default().return_url)?,
        browser: None,
    };
    let started = begin(platform, &start).await?;
    Ok(Json(StartResponse {
        authorization_url: started.authorization_url,
        state: started.state,
        redirect_uri: started.redirect_uri,
        expires_at: started.expires_at,
    }))
}
