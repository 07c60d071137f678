//! The page that ends a sign-in which was begun through an API, and what its buttons do: `POST /oauth/confirm` stores the
//! credential, `POST /oauth/cancel` forgets it. `postern_core::oauth::confirmation` says why there is such a page.
//!
//! A form is accepted from the browser that came back from the authorization server, which has a cookie, and from no page
//! of another origin (the router checks `Origin`).

use http::StatusCode;
use kernel::Result;
use postern_core::oauth::browser;
use postern_core::oauth::confirmation::{Unconfirmed, cancel, confirm, cookie_name};
use postern_core::oauth::receipt::integration_name;
use postern_core::{Family, Platform};
use web::extract::{Form, FormField};
use web::html::{Action, page};
use web::{Anyone, Head, Html, Public, Redirect};

use crate::ends::{connected, not_connected};

const CONFIRM: &str = "/oauth/confirm";
const CANCEL: &str = "/oauth/cancel";
const REFUSED: &str = "A page: this browser has no such sign-in, or it was answered already, or it has expired, or the integration was changed.";

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    family
        .post(CONFIRM.trim_start_matches("/oauth"), accept)
        .summary("confirmOauth", "Confirm who gets connected to what")
        .returns("Connected; on to where the authorization was started from.")
        .header("Set-Cookie", "From which the last page reads what is connected.")
        .page(400, REFUSED)
        .post(CANCEL.trim_start_matches("/oauth"), refuse)
        .summary("cancelOauth", "Refuse to get connected")
        .description("The tokens are deleted, and revoked at the provider (RFC 7009) where it offers that.")
        .returns("A page.")
        .page(400, REFUSED)
}

/// The field of the page's form: which sign-in is answered.
struct Grant(String);

impl From<String> for Grant {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FormField for Grant {
    const NAME: &'static str = "grant";

    #[cfg(not(target_family = "wasm"))]
    fn schema() -> utoipa::openapi::ObjectBuilder {
        kernel::schema::text("^[0-9a-f]+$").min_length(Some(64)).max_length(Some(64))
    }
}

/// Returns the page that names who gets connected to what, with the cookie that its form needs.
pub(super) fn ask(platform: &Platform, grant: &Unconfirmed) -> Result<Html> {
    let host = grant.host.as_deref().unwrap_or("the authorization server");
    let text = format!(
        "{} will be connected to {} with the account that you have just used at {host}, and can then act there with that \
         account. Go on only if you asked for this.",
        grant.owner,
        integration_name(&grant.integration)
    );
    let action =
        Action::Choice { field: (Grant::NAME, &grant.id), yes: (CONFIRM, "Connect"), no: (CANCEL, "Cancel") };
    let mut response = page(StatusCode::OK, "Confirm", &text, &action);
    browser::give(platform, &mut response, &cookie_name(&grant.id), &grant.secret)?;
    Ok(Html(response))
}

/// Answers 302 to where the authorization was started from; 400 if this browser has no such sign-in to confirm.
async fn accept(
    platform: &Platform,
    _: Anyone,
    Form(Grant(id)): Form<Grant>,
    head: Head,
) -> Result<Redirect> {
    let secret = browser::value(platform, &head, &cookie_name(&id));
    match confirm(platform, &id, secret.as_deref()).await {
        Ok(finished) => connected(platform, finished),
        Err(unfinished) => Ok(Redirect::Page(not_connected(&unfinished))),
    }
}

/// Answers 200 with a page; 400 if this browser has no such sign-in to refuse.
async fn refuse(platform: &Platform, _: Anyone, Form(Grant(id)): Form<Grant>, head: Head) -> Result<Html> {
    let secret = browser::value(platform, &head, &cookie_name(&id));
    match cancel(platform, &id, secret.as_deref()).await {
        Ok(()) => {
            let text = "Nothing is connected, and the access that you granted is given back. You can close this window.";
            Ok(Html(page(StatusCode::OK, "Not connected", text, &Action::None)))
        }
        Err(unfinished) => Ok(not_connected(&unfinished)),
    }
}
