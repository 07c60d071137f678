//! What this function adds to the OpenAPI document.

use utoipa::OpenApi;

use crate::{callback, connect, routes};

#[derive(OpenApi)]
#[openapi(
    paths(
        callback::kontext,
        callback::feather,
        callback::admin,
        connect::ask,
        connect::start,
        crate::connected,
        crate::portal,
        crate::client_metadata
    ),
    tags((name = "Sign-in", description = "For browsers and authorization servers; none of it needs a key."))
)]
struct Document;

/// The operations of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    routes().describe(&mut document);
    document
}
