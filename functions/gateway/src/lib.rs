//! The gateway: MCP endpoints for agents, both eras on each (streamable HTTP).
//!
//! `POST /mcp` offers the tools of all running integrations as `<slug>__<tool>`; `POST /integrations/{id}/mcp` offers
//! one integration's, nothing renamed (`{id}` is its slug or UUID). GET and DELETE are 405: there is no stream without
//! a request, and a session holds nothing that could be ended.

mod audit;
mod call;
mod connect;
mod endpoint;
mod exchange;
mod openapi;
mod reply;

use http::Method;
use web::{Dialect, Routes};

pub use openapi::openapi;

/// Largest message: 4 MiB, as the reference SDK's servers.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Routes of all integrations together.
pub fn routes() -> Routes {
    Routes::new(Dialect::JsonRpc, "/mcp").at(Method::POST, "/mcp", endpoint::all).body_limit(BODY_LIMIT)
}

/// Routes of one integration.
pub fn integration_routes() -> Routes {
    Routes::new(Dialect::JsonRpc, "/integrations")
        .at(Method::POST, "/integrations/{id}/mcp", endpoint::one)
        .body_limit(BODY_LIMIT)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes(), integration_routes());
