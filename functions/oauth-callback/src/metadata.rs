//! `GET /oauth/client-metadata.json`: Postern's OAuth Client ID Metadata Document.

use kernel::Result;
use postern_core::oauth::client;
use postern_core::{Family, Platform};
use serde_json::Value;
use web::answer::json;
use web::{Anyone, Public, Response};

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    family
        .get("/client-metadata.json", document)
        .summary("getClientMetadata", "Postern's OAuth Client ID Metadata Document")
        .object(200, "The document.")
        .error(404, "Postern is not reached by https.")
}

/// Answers 200 with the document; 404 while `PUBLIC_URL` is not an https origin.
#[allow(clippy::unused_async)] // handlers are async
async fn document(platform: &Platform, _: Anyone) -> Result<Response> {
    let document: Value = client::document(platform)?;
    json(http::StatusCode::OK, &document)
}
