//! Connections to upstreams: what a caller can connect to and how (`/mcp/integrations…`, in the Kontext dialect), and
//! customer-supplied MCP servers (`/v1/integrations/connections…`, in the Feather dialect).

mod feather;
mod own;

use postern_core::auth::ApiKeys;
use postern_core::{Family, Routes};
use web::dialect::{Feather, Kontext};

/// The families of this function.
pub fn families() -> Vec<Routes> {
    let own = Family::new("/mcp/integrations", &Kontext, ApiKeys)
        .tag("Connections", "What the caller can connect to, and how.");
    let feather = Family::new("/v1/integrations", &Feather, ApiKeys).tag(
        "Feather",
        "Customers' own MCP servers in the Feather dialect: snake_case, errors as `FeatherError`.",
    );
    vec![own::routes(own).routes(), feather::routes(feather).routes()]
}

#[cfg(target_os = "wasi")]
spin_runtime::component!();
