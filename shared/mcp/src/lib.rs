//! MCP as data, for agents and upstreams and in both eras: classifying, reading, writing and translating messages.

pub mod bridge;

pub mod era;
pub mod headers;
pub mod message;

pub mod sse;

pub use era::Era;

/// The revision of the modern era, which is stateless.
pub const MODERN: &str = "2026-07-28";
/// The newest revision of the legacy era, whose sessions begin with an `initialize` handshake.
pub const LATEST_LEGACY: &str = "2025-11-25";
/// The revisions that `initialize` may negotiate, newest first.
pub const LEGACY: [&str; 4] = [LATEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];

/// Reserved `_meta` keys of MCP 2026-07-28.
pub mod meta {
    /// The prefix of the reserved keys that Postern uses.
    pub const PREFIX: &str = "io.modelcontextprotocol/";
    /// The protocol revision of the request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// The capabilities that the client offers for this request.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// The name and version of the client.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// The name and version of the server, in results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The lowest severity of log messages that the client wants.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
}

/// Returns Postern's name, title and version, the value of `serverInfo` and `clientInfo`.
pub fn implementation() -> Box<serde_json::value::RawValue> {
    message::raw(&serde_json::json!({ "name": "postern", "title": "Postern", "version": kernel::VERSION }))
}
