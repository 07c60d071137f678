//! `GET` and `POST /oauth/connect`: a person opens the link that their agent was given.
//!
//! (1) The page says who will be connected to what, because a link can be passed on; (2) the button starts the
//! authorization and leaves a secret in this browser, which alone can finish it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use web::html::{Action, page};
use web::{Request, Response};
use postern_core::model::integration::Integration;
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::flow::{LIFETIME, Start, begin, check_connectable};
use postern_core::oauth::ticket;
use postern_core::oauth::ticket::Ticket;
use postern_core::store::integrations;
use kernel::{Error, Result};
use postern_core::Platform;
use url::Url;

/// 200: a page with a button; 400 for a ticket that is forged or has expired.
#[utoipa::path(
    get,
    path = "/oauth/connect",
    operation_id = "askToConnect",
    tag = "Sign-in",
    summary = "Ask who opens a connect link",
    params(("ticket" = String, Query, description = "Who will be connected to what.")),
    responses(
        (status = 200, description = "A page with a button.", body = String, content_type = "text/html"),
        (status = 400, description = "A page: the link is forged or has expired.", body = String, content_type = "text/html")
    )
)]
pub(crate) async fn ask(platform: &Platform, request: Request) -> Result<Response> {
    let token = request.query("ticket").unwrap_or_default();
    let Some((ticket, integration)) = redeem(platform, &token).await? else { return Ok(expired()) };
    let text = format!(
        "Postern's user “{}” will be connected to “{}” ({}). Go on only if that is you and you asked for it.",
        ticket.subject, integration.content.name, integration.content.url
    );
    let action = Action::Form { path: ticket::PATH, field: ("ticket", &token), label: "Connect" };
    Ok(page(StatusCode::OK, "Connect", &text, &action))
}

/// 200: a page that leads to the authorization server, and a cookie; 400 as above, or when the server cannot be used.
#[utoipa::path(
    post,
    path = "/oauth/connect",
    operation_id = "connect",
    tag = "Sign-in",
    summary = "Begin to connect in this browser",
    request_body(
        content = Object,
        content_type = "application/x-www-form-urlencoded",
        description = "The page's form: `ticket`."
    ),
    responses(
        (
            status = 200,
            description = "A page that leads to the authorization server.",
            body = String,
            content_type = "text/html",
            headers(("Set-Cookie" = String, description = "What lets this browser alone finish."))
        ),
        (status = 400, description = "A page: the link is forged or has expired, or the authorization server cannot be used.", body = String, content_type = "text/html")
    )
)]
pub(crate) async fn start(platform: &Platform, request: Request) -> Result<Response> {
    let token = url::form_urlencoded::parse(&request.body)
        .find(|(key, _)| key == "ticket")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    let Some((ticket, integration)) = redeem(platform, &token).await? else { return Ok(expired()) };
    let secret = URL_SAFE_NO_PAD.encode(platform.random::<32>()?);
    let start = Start {
        integration: &integration,
        owner: &ticket.subject,
        actor: &ticket.subject,
        callback: CALLBACKS[0],
        return_url: None,
        browser: Some(&secret),
    };
    let started = match begin(platform, &start).await {
        Ok(started) => started,
        Err(error) => {
            log::info!("connect: {error}");
            let text = Error::from(error).message.into_owned();
            return Ok(page(StatusCode::BAD_REQUEST, "Not connected", &text, &Action::None));
        }
    };
    let host = Url::parse(&started.authorization_url).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or("the authorization server");
    let label = format!("Continue at {host}");
    let action = Action::GoTo { url: &started.authorization_url, label: &label };
    let mut response = page(StatusCode::OK, "Connect", "You are being sent to sign in.", &action);
    if let Ok(cookie) = HeaderValue::from_str(&cookie(platform, &secret)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn redeem(platform: &Platform, token: &str) -> Result<Option<(Ticket, Integration)>> {
    let Some(ticket) = ticket::read(platform, token) else { return Ok(None) };
    let integration = integrations::find(platform, &ticket.subject, &ticket.integration_id).await?;
    Ok(integration.filter(|found| check_connectable(found).is_ok()).map(|found| (ticket, found)))
}

fn expired() -> Response {
    let text = "This link has expired or does not lead anywhere any more. Ask for a new one.";
    page(StatusCode::BAD_REQUEST, "Not connected", text, &Action::None)
}

/// RFC 6265bis `__Host-`: only for https, this host and every path. Lax, because the callback comes from another site.
fn cookie_name(platform: &Platform) -> &'static str {
    let is_https = platform.settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if is_https { "__Host-postern-connect" } else { "postern-connect" }
}

fn cookie(platform: &Platform, secret: &str) -> String {
    let name = cookie_name(platform);
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    let age = LIFETIME.as_secs();
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

/// The secret that this browser was given.
pub(crate) fn browser(platform: &Platform, request: &Request) -> Option<String> {
    let name = cookie_name(platform);
    let cookies = request.header(&COOKIE)?;
    let value = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='));
    value.map(ToOwned::to_owned)
}
