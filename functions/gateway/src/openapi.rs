//! What this function adds to the OpenAPI document.

use utoipa::OpenApi;

use crate::{endpoint, integration_routes, routes};

#[derive(OpenApi)]
#[openapi(
    paths(endpoint::all, endpoint::one),
    tags((
        name = "MCP",
        description = "For agents: the Model Context Protocol over streamable HTTP, up to 2025-11-25 and from 2026-07-28 \
                       on. The protocol says what the messages look like."
    ))
)]
struct Document;

/// The operations of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for table in [routes(), integration_routes()] {
        table.describe(&mut document);
    }
    document
}
