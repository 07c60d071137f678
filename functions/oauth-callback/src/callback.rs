//! `GET` of the three callback paths, to which authorization servers send people back (RFC 6749 §4.1.2), and of
//! `/oauth/connected`, the page on which a sign-in ends.
//!
//! A callback answers 302 to where the authorization was started from; every failure is a page with 400, in Postern's
//! own words.

use http::StatusCode;
use kernel::Result;
use postern_core::oauth::callback::{Finished, Parameters, finish};
use postern_core::oauth::client::CALLBACKS;
#[cfg(not(target_family = "wasm"))]
use postern_core::oauth::flow::state_schema;
use postern_core::upstream::validation::try_later;
use postern_core::{Family, Platform};
use web::html::{Action, connected, page};
use web::{Anyone, Head, Html, Public, Query, QueryParams, Redirect};

use crate::browser;

/// Where people are sent if the authorization was started without a return URL.
const CONNECTED: &str = "/oauth/connected";
/// The same for authorizations that an administrator started.
const PORTAL: &str = "/portal/admin/connections";

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    let [path, ..] = CALLBACKS;
    let path = path.trim_start_matches("/oauth");
    let family = described(family.get(path, to_connected), "finishOauth", "Finish an authorization");
    family
        .get("/connected", last_page)
        .summary("getConnected", "The last page of an authorization")
        .returns("A page.")
}

pub(super) fn routes_elsewhere(family: Family<Public>) -> Family<Public> {
    let [_, feather, admin] = CALLBACKS;
    let summary = "Finish an authorization of the Feather dialect";
    let family = described(family.get(feather, to_connected), "finishOauthFeather", summary);
    let summary = "Finish an authorization of the admin API";
    described(family.get(admin, to_portal), "finishOauthAdmin", summary)
}

fn described(family: Family<Public>, id: &'static str, summary: &'static str) -> Family<Public> {
    family
        .summary(id, summary)
        .returns("Connected; on to where the authorization was started from.")
        .page(400, "A page that says why it did not work.")
}

/// The parameters that an authorization server sends to a callback (RFC 6749 §4.1.2, RFC 9207 §2).
struct Returned(Parameters);

impl QueryParams for Returned {
    fn from_query(head: &Head) -> Result<Self> {
        Ok(Self(Parameters {
            state: head.query("state"),
            code: head.query("code"),
            error: head.query("error"),
            iss: head.query("iss"),
        }))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, web::openapi::Param)> {
        use web::openapi::{Param, text};

        let state =
            Param::required("The `state` of the authorization request (RFC 6749 §4.1.2).", state_schema());
        let optional = [
            ("code", "The authorization code."),
            ("error", "Why there is none."),
            ("iss", "The authorization server's issuer (RFC 9207)."),
        ]
        .map(|(name, description)| (name, Param::optional(description, text())));
        [("state", state)].into_iter().chain(optional).collect()
    }
}

async fn to_connected(
    platform: &Platform,
    _: Anyone,
    Query(returned): Query<Returned>,
    head: Head,
) -> Result<Redirect> {
    end(platform, &returned.0, &head, CONNECTED).await
}

async fn to_portal(
    platform: &Platform,
    _: Anyone,
    Query(returned): Query<Returned>,
    head: Head,
) -> Result<Redirect> {
    end(platform, &returned.0, &head, PORTAL).await
}

/// Finishes the authorization, and sends the person back to its return URL, else to `default`.
async fn end(platform: &Platform, returned: &Parameters, head: &Head, default: &str) -> Result<Redirect> {
    let browser = browser::secret(platform, head);
    let finished = match finish(platform, returned, browser.as_deref(), head.uri.path()).await {
        Ok(finished) => finished,
        Err(unfinished) => {
            let page = page(StatusCode::BAD_REQUEST, "Not connected", &unfinished.0, &Action::None);
            return Ok(Redirect::Page(Html(page)));
        }
    };
    let Finished { integration, owner, return_url } = finished;
    // The upstream may list its tools only to connected users.
    try_later(platform, integration, owner);
    Ok(Redirect::To(return_url.unwrap_or_else(|| default.to_owned())))
}

#[allow(clippy::unused_async)] // handlers are async
async fn last_page(_platform: &Platform, _: Anyone) -> Result<Html> {
    Ok(connected(StatusCode::OK))
}
