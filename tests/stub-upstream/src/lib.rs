//! A fast MCP server for tests and benchmarks: both eras, plus endpoints that misbehave in chosen ways.
//!
//! [`Stub::start`] runs one inside the test's own process, on a thread of its own; the program `stub-upstream`
//! runs one in a process of its own. Endpoints, each an MCP server of its own unless said otherwise:
//!
//! | Path | What it is |
//! |---|---|
//! | `/legacy` | 2025-11-25: handshake and session. `?expire=N` forgets a session after N tool calls, `?stateless=1` mints none |
//! | `/modern` | 2026-07-28: no handshake; headers and `_meta` are validated strictly |
//! | `/dual` | both on one endpoint: the body decides |
//! | `/hang`, `/hang-call` | never answers; never answers `tools/call` |
//! | `/huge-call?bytes=N` | `tools/call` answers N bytes of JSON; `&chunked=1` without Content-Length; `&sse=1` as endless events; `&sse=line` as one endless event |
//! | `/bad-json`, `/bad-json-call` | invalid JSON from the first request; for `tools/call` only |
//! | `/die-mid-stream` | `tools/call` breaks off its event stream before the response; `?clean=1` ends it without one |
//! | `/huge?bytes=N` | the same shapes as `/huge-call`, for every request |
//! | `/drip` | an event stream that is kept alive for ever and says nothing, for every request |
//! | `/guarded/<kind>/<endpoint>` | the endpoint, behind 401 for who shows no credential; the kinds are in `guard` |
//! | `/status/<code>`, `/html`, `/redirect?to=URL` | plain HTTP answers to everything; `&status=307` |
//! | `/helper/…` | plain HTTP for the port conformance suite: `echo`, `stream`, `bytes`, `slow`, `redirect`, `hang` |
//! | `POST /release/<gate>` | [`Stub::release`] from another process |
//! | `GET /requests`, `DELETE /requests` | what was recorded, as JSON; forget it |
//!
//! Every MCP endpoint also takes `?sse=1` (each answer is an event stream of one message) and `?tools=N` (only the
//! first N tools are listed); those that are not tied to an era take `?era=legacy` or `?era=modern`.

mod body;
mod catalogue;
mod endpoint;
mod guard;
mod helper;
mod legacy;
mod message;
mod misbehave;
mod modern;
mod query;
mod server;
mod state;
mod tools;

pub use server::{Options, Stub};
pub use state::Recorded;

/// The protocol revision that `/legacy` speaks by preference.
pub const LEGACY_VERSION: &str = "2025-11-25";
/// The protocol revision that `/modern` speaks.
pub const MODERN_VERSION: &str = "2026-07-28";
