//! `GET` of the three callback paths, and of the paths below them that belong to one authorization server each: where
//! authorization servers send people back (RFC 6749 §4.1.2). And `GET /oauth/connected`, the page on which a sign-in
//! ends.
//!
//! A callback answers 302 to where the authorization was started from, or, if the authorization was started through an
//! API, with a page that asks for a confirmation (see [`crate::confirm`]). Every failure is a page with 400, in Postern's
//! own words.

use kernel::Result;
use postern_core::oauth::browser;
use postern_core::oauth::callback::{Outcome, Parameters, finish};
use postern_core::oauth::client::CALLBACKS;
#[cfg(not(target_family = "wasm"))]
use postern_core::oauth::client::SEGMENT;
#[cfg(not(target_family = "wasm"))]
use postern_core::oauth::flow::state_schema;
use postern_core::oauth::receipt;
use postern_core::{Family, Platform};
use web::{Anyone, Head, Html, Path, PathParam, Public, Query, QueryParams, Redirect};

use crate::confirm::ask;
use crate::ends::{connected, not_connected};

/// Where people are sent if the authorization was started without a return URL.
const CONNECTED: &str = "/oauth/connected";
/// The same for authorizations that an administrator started.
const PORTAL: &str = "/portal/admin/connections";

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    let [path, ..] = CALLBACKS;
    let path = path.trim_start_matches("/oauth");
    let family = described(family.get(path, to_connected), "finishOauth", "Finish an authorization");
    let family = family.get(&below(path), to_connected_of);
    described(family, "finishOauthAt", "Finish an authorization at the server's own redirect URI")
        .get("/connected", last_page)
        .summary("getConnected", "The last page of an authorization")
        .returns("A page, which names who is connected to what if that happened in this browser.")
}

pub(super) fn routes_elsewhere(family: Family<Public>) -> Family<Public> {
    let [_, feather, admin] = CALLBACKS;
    let summary = "Finish an authorization of the Feather dialect";
    let family = described(family.get(feather, to_connected), "finishOauthFeather", summary);
    let family = described(family.get(&below(feather), to_connected_of), "finishOauthFeatherAt", summary);
    let summary = "Finish an authorization of the admin API";
    let family = described(family.get(admin, to_portal), "finishOauthAdmin", summary);
    described(family.get(&below(admin), to_portal_of), "finishOauthAdminAt", summary)
}

/// Returns the path below `callback` that belongs to one authorization server.
fn below(callback: &str) -> String {
    format!("{callback}/{{{}}}", Server::NAME)
}

/// The segment of a redirect URI that is derived from the authorization server. It is not read here: the whole path is
/// compared with that of the authorization's redirect URI.
struct Server;

impl PathParam for Server {
    const NAME: &'static str = "server";

    fn from_param(_text: &str) -> Result<Self> {
        Ok(Self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        let schema = kernel::schema::text("^[0-9a-f]+$").min_length(Some(SEGMENT)).max_length(Some(SEGMENT));
        web::openapi::Param::required("The first hex digits of the SHA-256 of the server's issuer.", schema)
    }
}

fn described(family: Family<Public>, id: &'static str, summary: &'static str) -> Family<Public> {
    family
        .summary(id, summary)
        .returns("Connected; on to where the authorization was started from.")
        .header("Set-Cookie", "From which the last page reads what is connected.")
        .page(200, "Asks who signed in to confirm: the authorization was started through an API.")
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

async fn to_connected_of(
    platform: &Platform,
    _: Anyone,
    Path(Server): Path<Server>,
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

async fn to_portal_of(
    platform: &Platform,
    _: Anyone,
    Path(Server): Path<Server>,
    Query(returned): Query<Returned>,
    head: Head,
) -> Result<Redirect> {
    end(platform, &returned.0, &head, PORTAL).await
}

/// Finishes the authorization, and sends the person back to its return URL, else to `default`; or asks the person to
/// confirm.
async fn end(platform: &Platform, returned: &Parameters, head: &Head, default: &str) -> Result<Redirect> {
    let browser = browser::value(platform, head, browser::CONNECT);
    match finish(platform, returned, browser.as_deref(), head.uri.path(), default).await {
        Ok(Outcome::Finished(finished)) => connected(platform, finished),
        Ok(Outcome::Unconfirmed(grant)) => Ok(Redirect::Page(ask(platform, &grant)?)),
        Err(unfinished) => Ok(Redirect::Page(not_connected(&unfinished))),
    }
}

#[allow(clippy::unused_async)] // handlers are async
async fn last_page(platform: &Platform, _: Anyone, head: Head) -> Result<Html> {
    Ok(receipt::page(platform, &head))
}
