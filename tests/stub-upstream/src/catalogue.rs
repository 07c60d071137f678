//! The catalogue: the tools' definitions, and the pages of `tools/list`.

use serde_json::{Value, json};

use crate::message::RpcError;

/// The catalogue.
pub(crate) struct Tools {
    tools: Vec<Value>,
}

impl Tools {
    pub(crate) fn new(extra: usize) -> Self {
        let mut tools = real_tools();
        tools.extend((0..extra).map(filler));
        Self { tools }
    }

    /// One page of `tools/list`; with `limit`, only the first `limit` tools exist.
    pub(crate) fn page(
        &self,
        limit: Option<usize>,
        size: Option<usize>,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let count = limit.unwrap_or(usize::MAX).min(self.tools.len());
        let start = match params.get("cursor") {
            None | Some(Value::Null) => 0,
            Some(cursor) => cursor
                .as_str()
                .and_then(|cursor| cursor.strip_prefix("from-")?.parse().ok())
                .filter(|start| *start < count)
                .ok_or_else(|| RpcError::new(-32602, "Invalid cursor"))?,
        };
        let size = size.unwrap_or(usize::MAX).max(1);
        let page: Vec<_> = self.tools.iter().take(count).skip(start).take(size).collect();
        let next = start.saturating_add(size);
        let mut result = json!({"tools": page});
        if let (true, Some(object)) = (next < count, result.as_object_mut()) {
            object.insert("nextCursor".into(), json!(format!("from-{next}")));
        }
        Ok(result)
    }

    /// Adds a tool, or replaces the tool of the same name at its place.
    pub(crate) fn set(&mut self, definition: Value) {
        let name = definition.get("name").cloned();
        match self.tools.iter_mut().find(|tool| tool.get("name") == name.as_ref()) {
            Some(tool) => *tool = definition,
            None => self.tools.push(definition),
        }
    }

    /// Removes a tool. Returns `false` if there is no tool of that name.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.tools.len();
        self.tools.retain(|tool| tool.get("name").and_then(Value::as_str) != Some(name));
        self.tools.len() < before
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.tools.iter().find(|tool| tool.get("name").and_then(Value::as_str) == Some(name))
    }

    /// The arguments of a tool that must be mirrored in `Mcp-Param-*` headers, each with the last part of its header.
    pub(crate) fn mirrored_headers(&self, name: &str) -> Vec<(&str, &str)> {
        let properties = self
            .find(name)
            .and_then(|tool| tool.pointer("/inputSchema/properties"))
            .and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .filter_map(|(argument, schema)| Some((argument.as_str(), schema.get("x-mcp-header")?.as_str()?)))
            .collect()
    }
}

fn tool(name: &str, description: &str, required: &[&str], properties: &Value) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": properties, "required": required},
    })
}

fn real_tools() -> Vec<Value> {
    let number = json!({"type": "number"});
    let string = json!({"type": "string"});
    let steps = json!({"type": "integer", "minimum": 0, "maximum": 1000});
    vec![
        tool("echo", "Echoes the message back.", &["message"], &json!({"message": string})),
        tool("add", "Adds two numbers.", &["a", "b"], &json!({"a": number, "b": number})),
        tool(
            "slow_progress",
            "Reports progress step by step, then answers.",
            &["steps"],
            &json!({"steps": steps, "delay_ms": steps}),
        ),
        tool(
            "gated_progress",
            "Reports progress; each event after the first waits for a release of the gate.",
            &["steps", "gate"],
            &json!({"steps": steps, "gate": string}),
        ),
        tool("fail", "Fails as a tool does: a result with isError.", &[], &json!({})),
        tool("protocol_error", "Fails as a server does: a JSON-RPC error.", &[], &json!({})),
        tool(
            "mirrored",
            "Takes an argument that modern clients mirror in the header Mcp-Param-Region.",
            &["region"],
            &json!({"region": {"type": "string", "x-mcp-header": "Region"}}),
        ),
    ]
}

/// A tool that only fills the list, with about as many words as real tools have.
fn filler(number: usize) -> Value {
    json!({
        "name": format!("tool_{number:03}"),
        "title": format!("Search collection {number}"),
        "description": format!(
            "Searches collection {number} for records that match a query. Use it when the user asks for documents, \
             tickets or notes by content. Returns at most `limit` records, newest first, each with its title, URL \
             and a short excerpt."
        ),
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for, in plain words.", "minLength": 1, "maxLength": 500},
                "limit": {"type": "integer", "description": "How many records to return.", "minimum": 1, "maximum": 100, "default": 20},
                "filters": {
                    "type": "object",
                    "description": "Narrows the search.",
                    "properties": {
                        "status": {"type": "string", "enum": ["open", "closed", "archived"]},
                        "updated_after": {"type": "string", "format": "date-time"},
                        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
                    },
                    "additionalProperties": false,
                },
                "include_archived": {"type": "boolean", "default": false},
            },
            "required": ["query"],
            "additionalProperties": false,
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}
