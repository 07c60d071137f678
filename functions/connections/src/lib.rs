//! Users' connections to upstreams: what a caller can connect to and how (`/mcp/integrations…`).

mod own;

use http::Method;
use shared::http::{Dialect, Routes};

/// Routes by which users connect.
pub fn routes() -> Routes {
    Routes::new(Dialect::Kontext, "/mcp/integrations")
        .at(Method::GET, "/mcp/integrations", own::list)
        .at(Method::POST, "/mcp/integrations/{id}/oauth/init", own::init)
        .at(Method::GET, "/mcp/integrations/{id}/oauth/connection", own::connection)
        .at(Method::DELETE, "/mcp/integrations/{id}/oauth/connection", own::revoke)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes());
