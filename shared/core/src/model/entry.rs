//! Catalogue entries: the tools, resources, resource templates and prompts that an upstream offers.

use std::collections::BTreeMap;

use serde_json::Value;

use kernel::digest::sha256_hex;
use mcp::headers::ParamHeader;

super::text_enum::text_enum! {
    /// The kind of an entry.
    Kind {
        /// A tool.
        Tool = "tool",
        /// A resource; its name is its URI.
        Resource = "resource",
        /// A resource template; its name is its URI template (RFC 6570).
        Template = "template",
        /// A prompt.
        Prompt = "prompt",
    }
}

/// A catalogue entry, as its upstream defines it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The kind.
    pub kind: Kind,
    /// The upstream's own name: of a resource its URI, of a template its URI template.
    pub name: String,
    /// The definition, a JSON object: byte for byte as the upstream sent it, without its `name` member.
    pub definition: String,
    /// Arguments that a modern upstream wants mirrored in headers (MCP 2026-07-28, `x-mcp-header`).
    pub param_headers: Vec<ParamHeader>,
}

impl Entry {
    /// Returns the stable id: 24 hex characters, the same for the same integration, kind and name for ever.
    pub fn id(integration_id: &str, kind: Kind, name: &str) -> String {
        // The ids of tools are older than kinds and contain none.
        let named = match kind {
            Kind::Tool => format!("{integration_id}\0{name}"),
            other => format!("{integration_id}\0{}\0{name}", other.as_str()),
        };
        let mut id = sha256_hex(named.as_bytes());
        id.truncate(24);
        id
    }

    /// Returns the SHA-256 of what an agent's model sees of the entry: name, title, description, schemas and
    /// annotations, in canonical form (RFC 8785), so that neither white space nor the order of members makes a
    /// difference.
    pub fn hash(&self) -> String {
        let told =
            serde_json::from_str::<BTreeMap<String, Value>>(&self.definition).ok().and_then(|mut all| {
                all.retain(|member, _| TOLD.contains(&member.as_str()));
                all.insert("name".to_owned(), Value::from(self.name.as_str()));
                serde_json_canonicalizer::to_vec(&all).ok()
            });
        // A definition without a canonical form is hashed as it is.
        sha256_hex(&told.unwrap_or_else(|| self.definition.clone().into_bytes()))
    }
}

/// The members of a definition that an agent's model sees.
const TOLD: [&str; 5] = ["title", "description", "inputSchema", "outputSchema", "annotations"];

super::text_enum::text_enum! {
    /// Where a tool stands between its upstream and its operators.
    #[schema(as = ToolStatus)]
    Status {
        /// Approved as it is, and offered to agents.
        Approved = "approved",
        /// Found by a probe, and never approved.
        New = "new",
        /// Approved once; the upstream has changed the definition since.
        Changed = "changed",
        /// Approved once; the upstream no longer offers the tool.
        Removed = "removed",
        /// A reviewer rejected the tool as it is.
        Rejected = "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_changes_only_with_what_an_agents_model_sees() {
        let hash = |name: &str, definition: &str| {
            let (name, definition) = (name.to_owned(), definition.to_owned());
            Entry { kind: Kind::Tool, name, definition, param_headers: Vec::new() }.hash()
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
    fn ids_are_stable_and_differ_by_integration_kind_and_name() {
        let id = Entry::id("6f2e", Kind::Tool, "echo");
        assert_eq!(id.len(), 24);
        assert_eq!(id, Entry::id("6f2e", Kind::Tool, "echo"));
        assert_ne!(id, Entry::id("6f2", Kind::Tool, "eecho"));
        assert_ne!(id, Entry::id("6f2e", Kind::Prompt, "echo"));
    }
}
