//! One entry of an integration's discovered catalogue.

use std::collections::BTreeMap;

use serde_json::Value;

use mcp::headers::ParamHeader;
use kernel::digest::sha256_hex;

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

    /// SHA-256 of what an agent's model is told about it: name, title, description, schemas and annotations, in canonical
    /// form (RFC 8785), so that neither white space nor the order of members counts.
    pub fn hash(&self) -> String {
        let told =
            serde_json::from_str::<BTreeMap<String, Value>>(&self.definition).ok().and_then(|mut all| {
                all.retain(|member, _| TOLD.contains(&member.as_str()));
                all.insert("name".to_owned(), Value::from(self.name.as_str()));
                serde_json_canonicalizer::to_vec(&all).ok()
            });
        // What cannot be put into canonical form is compared as it is.
        sha256_hex(&told.unwrap_or_else(|| self.definition.clone().into_bytes()))
    }
}

/// The members of a definition that reach an agent's model.
const TOLD: [&str; 5] = ["title", "description", "inputSchema", "outputSchema", "annotations"];

super::text_enum::text_enum! {
    /// Where a tool stands between its upstream and its operators.
    ToolStatus {
        /// Offered.
        Approved = "approved",
        /// Found, and never approved.
        New = "new",
        /// Approved once, and not as it is now.
        Changed = "changed",
        /// Approved, and gone from the upstream.
        Removed = "removed",
        /// Refused as it is now.
        Rejected = "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_follow_what_the_model_is_told() {
        let hash = |name: &str, definition: &str| {
            let (name, definition) = (name.to_owned(), definition.to_owned());
            Tool { name, definition, param_headers: Vec::new() }.hash()
        };
        let base = hash("t", r#"{"description":"d","inputSchema":{"type":"object","a":1.0}}"#);
        assert_eq!(
            base,
            hash("t", r#"{ "inputSchema": {"a":1,"type":"object"}, "description":"d", "_meta":{}}"#)
        );
        for (name, definition) in [
            ("u", r#"{"description":"d","inputSchema":{"type":"object","a":1.0}}"#),
            ("t", r#"{"description":"e","inputSchema":{"type":"object","a":1.0}}"#),
            ("t", r#"{"description":"d","inputSchema":{"type":"object","a":2}}"#),
            ("t", r#"{"description":"d","inputSchema":{"type":"object","a":1.0},"annotations":{}}"#),
        ] {
            assert_ne!(base, hash(name, definition), "{definition}");
        }
    }

    #[test]
    fn ids_are_stable_and_distinct() {
        let id = Tool::id("6f2e", "echo");
        assert_eq!(id.len(), 24);
        assert_eq!(id, Tool::id("6f2e", "echo"));
        assert_ne!(id, Tool::id("6f2", "eecho"));
    }
}
