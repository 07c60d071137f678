//! `GET` of the callback paths: what an authorization server sends people back with.
//!
//! 302 to where the authorization was started from; every failure is a 400 page in Postern's own words.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use web::html::{Action, page};
use web::request::empty;
use web::{Request, Response};
use postern_core::oauth::callback::{Finished, Parameters, finish};
use postern_core::Platform;
use kernel::Result;

use crate::connect::browser;
use crate::{CONNECTED, PORTAL};

/// `/oauth/callback`.
#[utoipa::path(
    get,
    path = "/oauth/callback",
    operation_id = "finishOauth",
    tag = "Sign-in",
    summary = "Finish an authorization",
    params(
        ("state" = Option<String>, Query, nullable = false, description = "What the authorization is known by."),
        ("code" = Option<String>, Query, nullable = false, description = "The authorization code."),
        ("error" = Option<String>, Query, nullable = false, description = "Why there is none."),
        ("iss" = Option<String>, Query, nullable = false, description = "The authorization server's issuer (RFC 9207).")
    ),
    responses(
        (status = 302, description = "Connected; on to where the authorization was started from."),
        (status = 400, description = "A page that says why it did not work.", body = String, content_type = "text/html")
    )
)]
pub(crate) async fn kontext(platform: &Platform, request: Request) -> Result<Response> {
    handle(platform, &request, CONNECTED).await
}

/// `/v1/integrations/oauth/callback`.
#[utoipa::path(
    get,
    path = "/v1/integrations/oauth/callback",
    operation_id = "finishOauthFeather",
    tag = "Sign-in",
    summary = "Finish an authorization of the Feather dialect",
    params(
        ("state" = Option<String>, Query, nullable = false, description = "What the authorization is known by."),
        ("code" = Option<String>, Query, nullable = false, description = "The authorization code."),
        ("error" = Option<String>, Query, nullable = false, description = "Why there is none."),
        ("iss" = Option<String>, Query, nullable = false, description = "The authorization server's issuer (RFC 9207).")
    ),
    responses(
        (status = 302, description = "Connected; on to where the authorization was started from."),
        (status = 400, description = "A page that says why it did not work.", body = String, content_type = "text/html")
    )
)]
pub(crate) async fn feather(platform: &Platform, request: Request) -> Result<Response> {
    handle(platform, &request, CONNECTED).await
}

/// `/api/v1/admin/oauth/callback`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/oauth/callback",
    operation_id = "finishOauthAdmin",
    tag = "Sign-in",
    summary = "Finish an authorization of the admin API",
    params(
        ("state" = Option<String>, Query, nullable = false, description = "What the authorization is known by."),
        ("code" = Option<String>, Query, nullable = false, description = "The authorization code."),
        ("error" = Option<String>, Query, nullable = false, description = "Why there is none."),
        ("iss" = Option<String>, Query, nullable = false, description = "The authorization server's issuer (RFC 9207).")
    ),
    responses(
        (status = 302, description = "Connected; on to where the authorization was started from."),
        (status = 400, description = "A page that says why it did not work.", body = String, content_type = "text/html")
    )
)]
pub(crate) async fn admin(platform: &Platform, request: Request) -> Result<Response> {
    handle(platform, &request, PORTAL).await
}

async fn handle(platform: &Platform, request: &Request, default: &str) -> Result<Response> {
    let parameters = Parameters {
        state: request.query("state"),
        code: request.query("code"),
        error: request.query("error"),
        iss: request.query("iss"),
    };
    let browser = browser(platform, request);
    let finished = match finish(platform, &parameters, browser.as_deref(), request.uri.path()).await {
        Ok(finished) => finished,
        Err(unfinished) => {
            let title = "Not connected";
            return Ok(page(StatusCode::BAD_REQUEST, title, &unfinished.0, &Action::None));
        }
    };
    let Finished { integration, owner, return_url } = finished;
    // Its tools may be readable only now.
    postern_core::upstream::validation::validate_later(platform, integration, owner);
    let mut response = empty(StatusCode::FOUND);
    let target = return_url.as_deref().unwrap_or(default);
    if let Ok(target) = HeaderValue::from_str(target) {
        response.headers_mut().insert(LOCATION, target);
    }
    Ok(response)
}
