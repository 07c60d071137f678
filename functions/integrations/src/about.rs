//! `GET /health`, whether this deployment can work, and `GET /openapi.json`, what it answers. Neither needs a credential
//! nor says anything secret.

use http::StatusCode;
use serde_json::json;
use shared::http::request::{json, with_type};
use shared::http::{Request, Response};
use shared::{Platform, Result, store};

/// 200 `{status: "healthy", version, schema_version}`; 503 when a setting or migration is missing.
pub(crate) async fn health(platform: &Platform, _request: Request) -> Result<Response> {
    let schema_version = store::schema::check(platform).await?;
    json(
        StatusCode::OK,
        &json!({ "status": "healthy", "version": shared::VERSION, "schema_version": schema_version }),
    )
}

/// Written by `cargo xtask openapi` out of the code; a test holds it against the code and the routes.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// 200: the OpenAPI 3.1 description of the management API.
#[allow(clippy::unused_async)] // a handler
pub(crate) async fn openapi(_platform: &Platform, _request: Request) -> Result<Response> {
    Ok(with_type(StatusCode::OK, "application/json", OPENAPI))
}
