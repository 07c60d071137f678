//! The gateway: MCP endpoints for agents over streamable HTTP. Each endpoint speaks both eras.
//!
//! `POST /mcp` offers the tools of all running integrations as `<slug>__<tool>`; `POST /integrations/{id}/mcp` offers
//! the tools of one integration under their own names (`{id}` is the integration's slug or UUID). GET and DELETE are
//! answered with 405: Postern opens no event stream without a request, and stores no session that could be ended.
//!
//! The modules through which a message passes: `serve` → `agent` and `endpoint` → `methods` → `relay` → `reply`.

mod agent;
mod audit;
mod context;
mod endpoint;
mod exchange;
mod methods;
mod relay;
mod reply;
#[cfg(not(target_family = "wasm"))]
mod schemas;
mod serve;
mod session;

use postern_core::auth::ApiKeys;
use postern_core::{Family, Routes};
use web::dialect::JsonRpc;

/// Largest body of a request in bytes: 4 MiB, the limit of the reference SDK's servers.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The families of this function.
pub fn families() -> Vec<Routes> {
    // A call is no write over a management API: it has an audit row of its own kind.
    let family = |prefix| {
        Family::new(prefix, &JsonRpc, ApiKeys).without_write_audit().body_limit(BODY_LIMIT).tag(TAG, ABOUT)
    };
    // The second family has no prefix, so that unknown paths below `/integrations` stay with the family of that
    // prefix.
    vec![serve::all_routes(family("/mcp")).routes(), serve::one_routes(family("")).routes()]
}

const TAG: &str = "MCP";
const ABOUT: &str = "For agents: the Model Context Protocol over streamable HTTP, up to 2025-11-25 and from 2026-07-28 \
                     on. The protocol says what the messages look like.";

#[cfg(target_os = "wasi")]
spin_runtime::component!();
