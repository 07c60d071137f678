//! What this function adds to the OpenAPI document.

use utoipa::OpenApi;

use crate::{gateway, routes};

#[derive(OpenApi)]
#[openapi(
    paths(gateway::oauth_start),
    tags((name = "Admin", description = "The admin API: snake_case, errors as problem details."))
)]
struct Document;

/// The operations of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    routes().describe(&mut document);
    document
}
