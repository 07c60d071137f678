//! What a tool call leads to: one tool of one running integration, with the credential to present.

use crate::mcp::Era;
use crate::mcp::headers::ParamHeader;
use crate::net::SafeUrl;

/// Everything that a call needs, read in one statement.
#[derive(Debug)]
pub struct Target {
    /// The upstream.
    pub upstream: Upstream,
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
    /// The revision that the last probe negotiated.
    pub protocol_version: Option<String>,
    /// What to present, still sealed; `None` for `authMode: none`.
    pub credential: Option<SealedCredential>,
}

/// A credential as it rests; opened for one request at a time.
#[derive(Clone, Debug)]
pub struct SealedCredential {
    /// Row id.
    pub id: String,
    /// `organization`, or a caller's subject.
    pub owner: String,
    /// The envelope.
    pub sealed: String,
}

/// The owner of credentials that all of a deployment's callers share.
pub const ORGANIZATION: &str = "organization";
