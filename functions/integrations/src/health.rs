//! `GET /health`: whether this deployment can work. Needs no credential and says nothing secret.

use http::StatusCode;
use serde_json::json;
use shared::http::request::json;
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
