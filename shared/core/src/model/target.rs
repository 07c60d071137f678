//! The target of a tool call: one tool of one running integration, with the credential to present.

use std::rc::Rc;

use super::credential::SealedCredential;
use super::integration::AuthMode;
use kernel::net::SafeUrl;
use mcp::Era;
use mcp::headers::ParamHeader;

/// Everything that a tool call needs, read in one statement.
#[derive(Debug)]
pub struct Target {
    /// The upstream that has the tool.
    pub upstream: Rc<Upstream>,
    /// The tool's name at the upstream.
    pub tool: String,
    /// Arguments that a modern upstream wants mirrored in `Mcp-Param-*` headers.
    pub param_headers: Vec<ParamHeader>,
}

impl Target {
    /// Returns the length of the texts whose length an operator, a user or the upstream chose.
    pub fn bytes(&self) -> usize {
        let Upstream { url, headers, credential, .. } = self.upstream.as_ref();
        let sealed = credential.as_ref().map_or(0, |credential| credential.sealed.len());
        let path = |param: &ParamHeader| param.path.iter().map(String::len).sum::<usize>();
        let mirrored: usize = self.param_headers.iter().map(|param| param.header.len() + path(param)).sum();
        let headers = headers.as_ref().map_or(0, String::len);
        self.tool.len() + url.as_str().len() + headers + sealed + mirrored
    }
}

/// An upstream MCP server, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The integration's id.
    pub integration_id: String,
    /// The integration's slug.
    pub slug: String,
    /// The upstream's MCP endpoint.
    pub url: SafeUrl,
    /// The upstream's era, as the last successful probe found; `None` before that.
    pub era: Option<Era>,
    /// The transport that the last successful probe found.
    pub transport: Transport,
    /// The MCP revision that the last successful probe negotiated.
    pub protocol_version: Option<String>,
    /// Whose credential the upstream wants.
    pub auth_mode: AuthMode,
    /// Sealed header templates. Without them a token is sent as `Authorization: Bearer`.
    pub headers: Option<String>,
    /// Whether the credential's owner has to connect again.
    pub needs_reauth: bool,
    /// The sealed credential to present: the caller's own, else the organization's, else none.
    pub credential: Option<SealedCredential>,
}

super::text_enum::text_enum! {
    /// The MCP transport of an upstream.
    Transport {
        /// Streamable HTTP.
        Http = "http",
        /// HTTP+SSE (MCP 2024-11-05).
        Sse = "sse",
    }
}
