//! How Postern speaks MCP, to agents and to upstreams, in both eras.

pub mod bridge;

pub mod era;
pub mod headers;
pub mod message;

pub mod sse;

pub use era::Era;

/// The stateless revision.
pub const MODERN: &str = "2026-07-28";
/// The newest revision with an `initialize` handshake.
pub const LATEST_LEGACY: &str = "2025-11-25";
/// Revisions that may be negotiated by `initialize`, newest first.
pub const LEGACY: [&str; 4] = [LATEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];

/// Reserved `_meta` keys of MCP 2026-07-28.
pub mod meta {
    /// Start of all reserved keys that concern us.
    pub const PREFIX: &str = "io.modelcontextprotocol/";
    /// Revision of the request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Capabilities that the client offers for this request.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Name and version of the client.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Name and version of the server, in results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Least severe log message that the client wants.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
}

/// `{"name":"postern","version":…}`: who Postern says it is, as server and as client.
pub fn implementation() -> Box<serde_json::value::RawValue> {
    message::raw(&serde_json::json!({ "name": "postern", "title": "Postern", "version": kernel::VERSION }))
}
