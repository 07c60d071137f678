//! `GET` and `POST /oauth/connect`: the page behind the link that an agent was given for its user.
//!
//! (1) The page says which user will be connected to which upstream, because a link can be passed on; (2) the page's
//! button starts the authorization and gives a secret to this browser: only this browser can finish the authorization.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use kernel::{Error, Result};
use postern_core::model::integration::Integration;
use postern_core::oauth::client::CALLBACKS;
use postern_core::oauth::flow::{Start, begin, check_connectable};
use postern_core::oauth::ticket::{self, Ticket};
use postern_core::oauth::{browser, receipt};
use postern_core::store::integrations;
use postern_core::{Family, Platform};
use url::Url;
use web::extract::{Form, FormField};
use web::html::{Action, page};
use web::{Anyone, Head, Html, Public, Query, QueryParams};

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    let path = ticket::PATH.trim_start_matches("/oauth");
    family
        .get(path, ask)
        .summary("askToConnect", "Ask who opens a connect link")
        .returns("A page with a button.")
        .page(400, "A page: the link is forged or has expired.")
        .post(path, start)
        .summary("connect", "Begin to connect in this browser")
        .returns("A page that leads to the authorization server.")
        .header("Set-Cookie", "What lets this browser alone finish.")
        .page(400, "A page: the link is forged or has expired, or the authorization server cannot be used.")
}

/// The ticket of the link, as a query parameter and as the field of the page's form.
struct Token(String);

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FormField for Token {
    const NAME: &'static str = "ticket";

    #[cfg(not(target_family = "wasm"))]
    fn schema() -> utoipa::openapi::ObjectBuilder {
        kernel::seal::token_schema()
    }
}

impl QueryParams for Token {
    fn from_query(head: &Head) -> Result<Self> {
        Ok(Self(head.query(Self::NAME).unwrap_or_default()))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, web::openapi::Param)> {
        let description = "The link's ticket, which names the user and the upstream.";
        vec![(Self::NAME, web::openapi::Param::required(description, Self::schema()))]
    }
}

/// Answers 200 with a page that has a button; 400 for a ticket that is forged or has expired.
async fn ask(platform: &Platform, _: Anyone, Query(Token(token)): Query<Token>) -> Result<Html> {
    let Some(Redeemed { owner, integration, .. }) = redeem(platform, &token).await? else {
        return Ok(expired());
    };
    let text = format!(
        "{owner} will be connected to {}. Go on only if that is you and you asked for it.",
        receipt::integration_name(&integration)
    );
    let action = Action::Form { path: ticket::PATH, field: (Token::NAME, &token), label: "Connect" };
    Ok(Html(page(StatusCode::OK, "Connect", &text, &action)))
}

/// Answers 200 with a page that leads to the authorization server, and with a cookie; 400 for a ticket that is forged
/// or has expired, or when the authorization server cannot be used.
async fn start(platform: &Platform, _: Anyone, Form(Token(token)): Form<Token>) -> Result<Html> {
    let Some(Redeemed { ticket, integration, .. }) = redeem(platform, &token).await? else {
        return Ok(expired());
    };
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
            return Ok(Html(page(StatusCode::BAD_REQUEST, "Not connected", &text, &Action::None)));
        }
    };
    let host = Url::parse(&started.authorization_url).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or("the authorization server");
    let label = format!("Continue at {host}");
    let action = Action::GoTo { url: &started.authorization_url, label: &label };
    let mut response = page(StatusCode::OK, "Connect", "You are being sent to sign in.", &action);
    browser::give(platform, &mut response, browser::CONNECT, &secret)?;
    Ok(Html(response))
}

/// What a ticket names.
struct Redeemed {
    ticket: Ticket,
    /// The user in words.
    owner: String,
    integration: Integration,
}

/// Returns what the ticket names; `None` for a ticket that is forged or has expired, whose integration nobody can connect
/// to any more, or whose user's key was deleted or has expired since.
async fn redeem(platform: &Platform, token: &str) -> Result<Option<Redeemed>> {
    let Some(ticket) = ticket::read(platform, token) else { return Ok(None) };
    let Some(owner) = receipt::user_name(platform, &ticket.subject).await? else { return Ok(None) };
    let integration = integrations::find(platform, &ticket.subject, &ticket.integration_id).await?;
    Ok(integration.filter(|found| check_connectable(found).is_ok()).map(|integration| Redeemed {
        ticket,
        owner,
        integration,
    }))
}

fn expired() -> Html {
    let text = "This link has expired or does not lead anywhere any more. Ask for a new one.";
    Html(page(StatusCode::BAD_REQUEST, "Not connected", text, &Action::None))
}
