//! What this function adds to the OpenAPI document.

use utoipa::OpenApi;

use crate::{own, routes};

#[derive(OpenApi)]
#[openapi(
    paths(own::list, own::init, own::connection, own::revoke),
    tags((name = "Connections", description = "What the caller can connect to, and how."))
)]
struct Document;

/// The operations of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    routes().describe(&mut document);
    document
}
