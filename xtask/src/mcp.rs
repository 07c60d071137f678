//! One MCP tool call over plain HTTP, at revision 2026-07-28 (stateless: no handshake).

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::http;

const REVISION: &str = "2026-07-28";

/// Calls a tool and returns the JSON-RPC result.
pub(crate) fn call_tool(endpoint: &str, key: &str, tool: &str, arguments: &Value) -> Result<Value> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientInfo": { "name": "postern-xtask", "version": env!("CARGO_PKG_VERSION") },
                "io.modelcontextprotocol/clientCapabilities": {}
            }
        }
    });
    let authorization = format!("Bearer {key}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", REVISION),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    let answer = http::send("POST", endpoint, &headers, Some(&body))?;
    let message = match answer.media_type.as_str() {
        "text/event-stream" => response_in_events(&answer.body, 1)?,
        _ => answer.json()?,
    };
    if let Some(error) = message.get("error") {
        bail!("calling {tool}: HTTP {}, {error}", answer.status);
    }
    message.get("result").cloned().with_context(|| format!("calling {tool}: no result in {message}"))
}

/// The text blocks of a tool's result, joined by line ends; an error when the tool reported a failure.
pub(crate) fn text_of(result: &Value) -> Result<String> {
    let blocks = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text: Vec<&str> =
        blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str)).collect();
    if result.get("isError").and_then(Value::as_bool) == Some(true) {
        bail!("the tool reports an error: {}", text.join("\n"));
    }
    Ok(text.join("\n"))
}

/// The response to request `id` among server-sent events.
fn response_in_events(stream: &str, id: i64) -> Result<Value> {
    let stream = stream.replace("\r\n", "\n");
    for event in stream.split("\n\n") {
        let data: Vec<&str> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        if data.is_empty() {
            continue;
        }
        let message: Value = serde_json::from_str(&data.join("\n")).context("an event that is not JSON")?;
        if message.get("id").and_then(Value::as_i64) == Some(id) {
            return Ok(message);
        }
    }
    bail!("the event stream ended without a response: {stream}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_response_between_notifications() {
        let stream = ": keep-alive\r\n\r\nevent: message\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\r\n\r\n\
                      data: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}}\n\n";
        let message = response_in_events(stream, 1).unwrap();
        assert_eq!(text_of(message.get("result").unwrap()).unwrap(), "hi");
    }

    #[test]
    fn a_stream_without_response_is_an_error() {
        assert!(response_in_events("data: {\"id\":2}\n\n", 1).is_err());
    }

    #[test]
    fn a_tool_error_is_an_error() {
        let result = json!({"isError": true, "content": [{"type": "text", "text": "broken"}]});
        assert!(text_of(&result).unwrap_err().to_string().contains("broken"));
    }
}
