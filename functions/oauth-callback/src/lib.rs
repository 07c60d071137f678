//! Where people and authorization servers meet Postern: the callbacks of all dialects, the page that starts an
//! authorization in a browser, and Postern's Client ID Metadata Document. None needs a key: a state or a ticket says who.

mod callback;
mod connect;

use http::{Method, StatusCode};
use shared::http::html::{Action, page};
use shared::http::request::json;
use shared::http::{Dialect, Request, Response, Routes};
use shared::oauth::client;
use shared::oauth::client::{CALLBACKS, DOCUMENT};
use shared::oauth::ticket;
use shared::{Platform, Result};

/// The callbacks, one path per dialect.
pub fn routes() -> Routes {
    let [kontext, feather, admin] = CALLBACKS;
    Routes::new(Dialect::Problem, "/oauth")
        .public(Method::GET, kontext, callback::kontext)
        .public(Method::GET, feather, callback::feather)
        .public(Method::GET, admin, callback::admin)
        .public(Method::GET, ticket::PATH, connect::ask)
        .public(Method::POST, ticket::PATH, connect::start)
        .public(Method::GET, CONNECTED, connected)
        .public(Method::GET, PORTAL, connected)
        .public(Method::GET, DOCUMENT, client_metadata)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes());

/// Where people go when nobody said where.
const CONNECTED: &str = "/oauth/connected";
/// The same for authorizations that an administrator started.
const PORTAL: &str = "/portal/admin/connections";

/// 200: there is nothing more to do.
#[allow(clippy::unused_async)] // a handler
async fn connected(_platform: &Platform, _request: Request) -> Result<Response> {
    let text = "The connection is stored. You can close this window and go on where you came from.";
    Ok(page(StatusCode::OK, "Connected", text, &Action::None))
}

/// 200: the document (OAuth Client ID Metadata Document); 404 while Postern is not reached by https.
#[allow(clippy::unused_async)] // a handler
async fn client_metadata(platform: &Platform, _request: Request) -> Result<Response> {
    json(StatusCode::OK, &client::document(platform)?)
}
