//! The OpenAPI document of the whole product, derived from the routes of all functions.

use utoipa::openapi::info::LicenseBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, ServerBuilder};

const DESCRIPTION: &str = "\
Postern is an MCP gateway and control plane. One registry of upstream MCP servers is managed in several dialects; agents \
use it at the MCP endpoints.

- **Authentication**: an API key, as `Authorization: Bearer pst_…` or `X-API-Key: pst_…`. Managing needs the persona \
`admin` (else 403, and 401 in the admin API); one's own connections are open to every caller who may use the integration.
- **Bodies** are JSON. Unknown fields, wrong types and broken rules are refused with 400 and a message that names the \
field, never a value.
- **Errors** have the form of the dialect, and the request's id, which every response has in `X-Request-Id`.
- **Secrets** (tokens, client secrets, header templates) are sealed at once and never returned.
- A method that a path does not have gets 405 with `Allow`; HEAD is answered like GET.
";

/// Returns the whole document.
pub fn document() -> OpenApi {
    let license = LicenseBuilder::new().name("Apache License 2.0").identifier(Some("Apache-2.0"));
    let info = InfoBuilder::new()
        .title("Postern")
        .version(kernel::VERSION)
        .description(Some(DESCRIPTION))
        .license(Some(license.build()));
    let here = ServerBuilder::new().url("/").description(Some("The deployment that serves this document."));
    let mut document = OpenApiBuilder::new().info(info.build()).servers(Some([here.build()])).build();
    web::document::describe(&mut document, &crate::families());
    document
}

/// Returns the document in the form of `docs/openapi.json`: pretty-printed, with a newline at the end.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn text() -> serde_json::Result<String> {
    let mut text = document().to_pretty_json()?;
    text.push('\n');
    Ok(text)
}
