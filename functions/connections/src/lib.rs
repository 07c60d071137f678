//! Connections to upstreams: what a caller can connect to and how (`/mcp/integrations…`, in the Kontext dialect), and
//! customer-supplied MCP servers (`/v1/integrations/connections…`, in the Feather dialect).

mod feather;
mod openapi;
mod own;

use http::Method;
use web::{Dialect, Routes};

pub use openapi::openapi;

/// Routes by which users connect.
pub fn routes() -> Routes {
    Routes::new(Dialect::Kontext, "/mcp/integrations")
        .at(Method::GET, "/mcp/integrations", own::list)
        .at(Method::POST, "/mcp/integrations/{id}/oauth/init", own::init)
        .at(Method::GET, "/mcp/integrations/{id}/oauth/connection", own::connection)
        .at(Method::DELETE, "/mcp/integrations/{id}/oauth/connection", own::revoke)
}

/// Routes of the Feather dialect.
pub fn feather_routes() -> Routes {
    Routes::new(Dialect::Feather, "/v1/integrations")
        .at(Method::GET, "/v1/integrations/connections", feather::read::list)
        .at(Method::POST, "/v1/integrations/connections/custom-mcp", feather::custom_mcp::connect)
        .at(Method::POST, "/v1/integrations/connections/custom-mcp/discover", feather::discover::discover)
        .at(Method::GET, "/v1/integrations/connections/{id}", feather::read::get)
        .at(Method::DELETE, "/v1/integrations/connections/{id}", feather::read::remove)
        .at(Method::POST, "/v1/integrations/connections/{id}/test-lease", feather::read::test_lease)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes(), feather_routes());
