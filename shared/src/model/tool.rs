//! One entry of an integration's discovered catalogue.

use crate::mcp::headers::ParamHeader;
use crate::seal::sha256_hex;

/// A tool as its upstream defines it.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The upstream's own name.
    pub name: String,
    /// The definition as a JSON object, byte for byte as discovered, less its `name` member.
    pub definition: String,
    /// Arguments to mirror in headers (MCP 2026-07-28, `x-mcp-header`).
    pub param_headers: Vec<ParamHeader>,
}

impl Tool {
    /// The stable id: 24 hex characters, the same for the same integration and name for ever.
    pub fn id(integration_id: &str, name: &str) -> String {
        let mut id = sha256_hex(format!("{integration_id}\0{name}").as_bytes());
        id.truncate(24);
        id
    }

    /// SHA-256 of the definition.
    pub fn hash(&self) -> String {
        sha256_hex(self.definition.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_distinct() {
        let id = Tool::id("6f2e", "echo");
        assert_eq!(id.len(), 24);
        assert_eq!(id, Tool::id("6f2e", "echo"));
        assert_ne!(id, Tool::id("6f2", "eecho"));
    }
}
