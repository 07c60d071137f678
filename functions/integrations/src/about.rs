//! `GET /health`, whether this deployment can work, and `GET /openapi.json`, what it answers. Neither needs a credential
//! nor says anything secret.

use http::StatusCode;
use serde::Serialize;
use web::request::{json, with_type};
use web::{Request, Response};
use postern_core::{Platform, store};
use kernel::Result;

/// A deployment that can work.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// Always `healthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// The version of Postern.
    version: &'static str,
    /// The number of the last migration.
    schema_version: i64,
}

/// 200 `{status: "healthy", version, schema_version}`; 503 when a setting or migration is missing.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "getHealth",
    tag = "Deployment",
    summary = "Whether this deployment can work",
    description = "Looks at the settings and at the database's schema. Needs no credential.",
    responses((status = 200, description = "Settings and schema are as they should be.", body = Health))
)]
pub(crate) async fn health(platform: &Platform, _request: Request) -> Result<Response> {
    let schema_version = store::schema::check(platform).await?;
    json(StatusCode::OK, &Health { status: "healthy", version: kernel::VERSION, schema_version })
}

/// Written by `cargo xtask openapi` out of the code; a test holds it against the code and the routes.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// 200: the OpenAPI 3.1 description of the management API.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getOpenapi",
    tag = "Deployment",
    summary = "This document",
    description = "The OpenAPI 3.1 description of every route. Needs no credential.",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = Object, content_type = "application/json"))
)]
#[allow(clippy::unused_async)] // a handler
pub(crate) async fn openapi(_platform: &Platform, _request: Request) -> Result<Response> {
    Ok(with_type(StatusCode::OK, "application/json", OPENAPI))
}
