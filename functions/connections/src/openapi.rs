//! What this function adds to the OpenAPI document.

use utoipa::OpenApi;

use crate::{feather, feather_routes, own, routes};

#[derive(OpenApi)]
#[openapi(
    paths(
        own::list,
        own::init,
        own::connection,
        own::revoke,
        feather::read::list,
        feather::read::get,
        feather::read::remove,
        feather::read::test_lease,
        feather::custom_mcp::connect,
        feather::discover::discover
    ),
    tags(
        (name = "Connections", description = "What the caller can connect to, and how."),
        (
            name = "Feather",
            description = "Customers' own MCP servers in the Feather dialect: snake_case, errors as `FeatherError`."
        )
    )
)]
struct Document;

/// The operations of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for table in [routes(), feather_routes()] {
        table.describe(&mut document);
    }
    document
}
