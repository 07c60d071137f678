//! Helpers of the tests: a Postern with stub upstreams, and requests of both eras.

#![allow(clippy::needless_pass_by_value, reason = "JSON written at the place of use reads best without `&`")]

use http::Method;
use native::{App, Reply};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

pub(crate) const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

pub(crate) fn app(settings: &[(&str, &str)]) -> App {
    let tables = [integrations::families(), gateway::families()].into_iter().flatten().collect();
    App::new(tables, settings)
}

pub(crate) fn stub() -> Stub {
    Stub::start(Options::default()).unwrap()
}

/// Registers an upstream, probes it and returns the integration's id.
pub(crate) async fn register(app: &App, name: &str, url: &str) -> String {
    let created = app.admin(Method::POST, "/api/v1/integrations", json!({ "name": name, "url": url })).await;
    let id = created.json()["integration"]["id"].as_str().expect("created").to_owned();
    let validated = app.admin(Method::POST, &format!("/api/v1/integrations/{id}/validate"), None).await;
    assert_eq!(validated.json()["integration"]["validationStatus"], "valid", "{}", validated.text);
    id
}

/// Sends a message of the legacy era.
pub(crate) async fn legacy(app: &App, key: &str, path: &str, body: Value) -> Reply {
    let headers = [("x-api-key", key), ("accept", "application/json, text/event-stream")];
    app.send(Method::POST, path, &headers, body.to_string()).await
}

/// Sends a request of the modern era, with its headers and envelope.
pub(crate) async fn modern(app: &App, key: &str, path: &str, method: &str, mut params: Value) -> Reply {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    if params["_meta"].get("io.modelcontextprotocol/clientCapabilities").is_none() {
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    }
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let body = json!({ "jsonrpc": "2.0", "id": "m-1", "method": method, "params": params });
    let mut headers = vec![("x-api-key", key), VERSION, ("mcp-method", method)];
    if !name.is_empty() {
        headers.push(("mcp-name", &name));
    }
    app.send(Method::POST, path, &headers, body.to_string()).await
}

pub(crate) fn call(id: Value, name: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name, "arguments": arguments } })
}

/// Returns the JSON of a reply, or of the last event of an event stream.
pub(crate) fn last(reply: &Reply) -> Value {
    events(reply).pop().unwrap_or_else(|| reply.json())
}

/// Returns the JSON of every event; nothing for a reply that is not an event stream.
pub(crate) fn events(reply: &Reply) -> Vec<Value> {
    if reply.header("content-type") != "text/event-stream" {
        return Vec::new();
    }
    reply
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Returns the text of a tool result's first block.
pub(crate) fn text(reply: &Reply) -> String {
    last(reply)["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// Returns the audit rows of calls as (tool, success, authorized, error), oldest first.
pub(crate) async fn audit(app: &App) -> Vec<(String, i64, i64, Option<String>)> {
    app.settle().await;
    let rows = app
        .rows(
            "SELECT tool_name, success, authorized, error_message FROM audit_events
             WHERE event_kind = 'mcp_tool_call' ORDER BY rowid",
        )
        .await
        .unwrap();
    let read = rows.into_iter().map(|row| {
        let mut row = row.read();
        (row.text().unwrap(), row.integer().unwrap(), row.integer().unwrap(), row.optional_text().unwrap())
    });
    read.collect()
}
