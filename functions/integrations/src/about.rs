//! `GET /health` (whether this deployment can work) and `GET /openapi.json` (the description of its routes). Neither
//! needs a credential or returns a secret.

use http::StatusCode;
use kernel::Result;
use postern_core::{Family, Platform, store};
use serde::Serialize;
use web::answer::with_type;
use web::{Anyone, Json, Public, Response};

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    family
        .get("/health", health)
        .summary("getHealth", "Whether this deployment can work")
        .description("Looks at the settings and at the database's schema. Needs no credential.")
        .returns("Settings and schema are as they should be.")
        .get("/openapi.json", openapi)
        .summary("getOpenapi", "This document")
        .description("The OpenAPI 3.1 description of every route. Needs no credential.")
        .object(200, "An OpenAPI 3.1 document.")
}

/// A deployment that can work.
#[derive(Serialize, utoipa::ToSchema)]
struct Health {
    /// Always `healthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// The version of Postern.
    version: &'static str,
    /// The number of the last migration.
    schema_version: i64,
}

/// Answers 200 with the versions of Postern and of the database's schema; 503 when a setting or a migration is
/// missing.
async fn health(platform: &Platform, _: Anyone) -> Result<Json<Health>> {
    let schema_version = store::schema::check(platform).await?;
    Ok(Json(Health { status: "healthy", version: kernel::VERSION, schema_version }))
}

/// The OpenAPI document, without indentation. `cargo xtask openapi` generates it from the code; a test compares both.
const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

#[allow(clippy::unused_async)] // handlers are async
async fn openapi(_platform: &Platform, _: Anyone) -> Result<Response> {
    Ok(with_type(StatusCode::OK, "application/json", OPENAPI))
}
