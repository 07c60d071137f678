//! The gateway: MCP endpoints for agents, both eras on each (streamable HTTP).
//!
//! `POST /mcp` offers the tools of all running integrations as `<slug>__<tool>`; `POST /integrations/{id}/mcp` offers
//! one integration's, nothing renamed (`{id}` is its slug or UUID). GET and DELETE are 405: there is no stream without
//! a request, and a session holds nothing that could be ended.
//!
//! A message's way: `serve` → `agent` and `endpoint` → `methods` → `relay` → `reply`.

mod agent;
mod audit;
mod context;
mod endpoint;
mod exchange;
mod methods;
mod relay;
mod reply;
mod serve;
mod session;

use postern_core::auth::ApiKeys;
use postern_core::{Family, Routes};
use web::dialect::JsonRpc;

/// Largest message: 4 MiB, as the reference SDK's servers take.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The families of this function.
pub fn families() -> Vec<Routes> {
    let family = |prefix| Family::new(prefix, &JsonRpc, ApiKeys).body_limit(BODY_LIMIT).tag(TAG, ABOUT);
    // Unknown paths below `/integrations` belong to another family.
    vec![serve::all_routes(family("/mcp")).routes(), serve::one_routes(family("")).routes()]
}

const TAG: &str = "MCP";
const ABOUT: &str = "For agents: the Model Context Protocol over streamable HTTP, up to 2025-11-25 and from 2026-07-28 \
                     on. The protocol says what the messages look like.";

#[cfg(target_os = "wasi")]
spin_runtime::component!();
