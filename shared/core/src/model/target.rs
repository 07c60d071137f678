//! What a tool call leads to: one tool of one running integration, with the credential to present.

use std::rc::Rc;

use super::credential::SealedCredential;
use super::integration::AuthMode;
use kernel::net::SafeUrl;
use mcp::Era;
use mcp::headers::ParamHeader;

/// Everything that a call needs, read in one statement.
#[derive(Debug)]
pub struct Target {
    /// The upstream.
    pub upstream: Rc<Upstream>,
    /// The tool's own name at the upstream.
    pub tool: String,
    /// Arguments that a modern upstream wants mirrored in `Mcp-Param-*` headers.
    pub param_headers: Vec<ParamHeader>,
}

/// An upstream MCP server and how to speak with it.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The integration's id.
    pub integration_id: String,
    /// The integration's slug.
    pub slug: String,
    /// Its MCP endpoint.
    pub url: SafeUrl,
    /// How it speaks MCP, as the last successful probe found; `None` before one.
    pub era: Option<Era>,
    /// The transport that the last successful probe found.
    pub transport: Transport,
    /// The revision that the last probe negotiated.
    pub protocol_version: Option<String>,
    /// Whose credential it wants.
    pub auth_mode: AuthMode,
    /// Header templates, sealed.
    pub headers: Option<String>,
    /// Whether the credential's owner has to connect again.
    pub needs_reauth: bool,
    /// What to present, still sealed: the caller's own, else the organization's, else none.
    pub credential: Option<SealedCredential>,
}

super::text_enum::text_enum! {
    /// How an upstream is spoken to.
    Transport {
        /// Streamable HTTP.
        Http = "http",
        /// HTTP+SSE (MCP 2024-11-05).
        Sse = "sse",
    }
}
