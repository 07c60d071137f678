//! Where people and authorization servers meet Postern: the callbacks of all dialects, the page that starts an
//! authorization in a browser, and Postern's Client ID Metadata Document. None needs a key: a state or a ticket says who.

mod callback;
mod connect;
mod openapi;

use http::{Method, StatusCode};
use web::dialect::Problem;
use web::html::{Action, page};
use web::request::json;
use web::{Dialect, Request, Response, Routes};
use postern_core::oauth::client;
use postern_core::oauth::client::{CALLBACKS, DOCUMENT};
use postern_core::oauth::ticket;
use postern_core::Platform;
use kernel::Result;

pub use openapi::openapi;

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
        .public(Method::GET, PORTAL, portal)
        .public(Method::GET, DOCUMENT, client_metadata)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes());

/// Where people go when nobody said where.
const CONNECTED: &str = "/oauth/connected";
/// The same for authorizations that an administrator started.
const PORTAL: &str = "/portal/admin/connections";

/// 200: there is nothing more to do.
#[utoipa::path(
    get,
    path = "/oauth/connected",
    operation_id = "getConnected",
    tag = "Sign-in",
    summary = "The last page of an authorization",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
#[allow(clippy::unused_async)] // a handler
async fn connected(_platform: &Platform, _request: Request) -> Result<Response> {
    let text = "The connection is stored. You can close this window and go on where you came from.";
    Ok(page(StatusCode::OK, "Connected", text, &Action::None))
}

/// The same for administrators.
#[utoipa::path(
    get,
    path = "/portal/admin/connections",
    operation_id = "getPortalConnected",
    tag = "Sign-in",
    summary = "The last page of an administrator's authorization",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
async fn portal(platform: &Platform, request: Request) -> Result<Response> {
    connected(platform, request).await
}

/// 200: the document (OAuth Client ID Metadata Document); 404 while Postern is not reached by https.
#[utoipa::path(
    get,
    path = "/oauth/client-metadata.json",
    operation_id = "getClientMetadata",
    tag = "Sign-in",
    summary = "Postern's OAuth Client ID Metadata Document",
    responses(
        (status = 200, description = "The document.", body = Object, content_type = "application/json"),
        (
            status = 404,
            description = "Postern is not reached by https.",
            body = Problem,
            content_type = "application/problem+json"
        )
    )
)]
#[allow(clippy::unused_async)] // a handler
async fn client_metadata(platform: &Platform, _request: Request) -> Result<Response> {
    json(StatusCode::OK, &client::document(platform)?)
}
