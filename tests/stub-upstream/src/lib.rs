//! A fast MCP server for tests and benchmarks: both eras, plus endpoints that misbehave in chosen ways.
//!
//! [`Stub::start`] runs a stub on a thread of the test's own process; the program `stub-upstream` runs one in a
//! process of its own. Endpoints, each an MCP server of its own unless said otherwise:
//!
//! | Path | What it is |
//! |---|---|
//! | `/legacy` | 2025-11-25: handshake and session. `?expire=N` forgets a session after N tool calls, `?stateless=1` mints none |
//! | `/modern` | 2026-07-28: no handshake; headers and `_meta` are validated strictly |
//! | `/dual` | both eras on one endpoint: the body decides |
//! | `/hang`, `/hang-call` | never answers; never answers `tools/call` |
//! | `/huge-call?bytes=N` | `tools/call` answers N bytes of JSON; `&chunked=1` without Content-Length; `&sse=1` as endless events; `&sse=line` as one endless event |
//! | `/bad-json`, `/bad-json-call` | invalid JSON from the first request; for `tools/call` only |
//! | `/die-mid-stream` | `tools/call` breaks off its event stream before the response; `?clean=1` ends it in order without one |
//! | `/ask-call?requests=N` | `tools/call` streams N requests of the server's before the response; answers to them hang |
//! | `/huge?bytes=N` | the same forms as `/huge-call`, for every request |
//! | `/drip` | an event stream of comments that never ends and never has a message, for every request |
//! | `/guarded/<kind>/<endpoint>` | the endpoint, behind 401 for requests without a credential; the kinds are in `guard` |
//! | `/status/<code>`, `/html`, `/redirect?to=URL` | plain HTTP answers to every request; `&status=307` |
//! | `/helper/…` | plain HTTP for the port conformance suite: `echo`, `stream`, `bytes`, `slow`, `redirect`, `hang` |
//! | `POST /release/<gate>` | [`Stub::release`] from another process |
//! | `GET /requests`, `DELETE /requests` | returns the recorded requests as JSON; forgets them |
//!
//! Every MCP endpoint also takes `?sse=1` (each answer is an event stream of one message) and `?tools=N` (only the
//! first N tools are listed); an endpoint that speaks either era takes `?era=legacy` or `?era=modern`.

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
