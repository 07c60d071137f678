//! How each dialect writes an error: every function checks the form of a refusal and returns its message.

use anyhow::{Context as _, Result, ensure};
use black_box::api::Answer;
use serde_json::Value;

/// `{message, statusCode, code, requestId, details?}`.
pub(crate) fn kontext(answer: &Answer) -> Result<String> {
    let body = answer.json()?;
    ensure!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    ensure!(body["statusCode"] == answer.status, "{body}");
    ensure!(body["code"].is_string(), "{body}");
    ensure!(body["requestId"] == answer.header("x-request-id"), "{body}");
    ensure!(!answer.header("x-request-id").is_empty(), "no request id");
    body["message"].as_str().map(str::to_owned).with_context(|| format!("no message in {body}"))
}

/// RFC 9457.
pub(crate) fn problem(answer: &Answer) -> Result<String> {
    let body = answer.json()?;
    ensure!(answer.header("content-type").starts_with("application/problem+json"), "{:?}", answer.headers);
    ensure!(body["status"] == answer.status && body["title"].is_string(), "{body}");
    body["detail"].as_str().map(str::to_owned).with_context(|| format!("no detail in {body}"))
}

/// A JSON-RPC error.
pub(crate) fn json_rpc(answer: &Answer) -> Result<String> {
    let body = answer.json()?;
    ensure!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    ensure!(body["jsonrpc"] == "2.0" && body["error"]["code"].is_i64(), "{body}");
    body["error"]["message"].as_str().map(str::to_owned).with_context(|| format!("no message in {body}"))
}

/// `{message, statusCode, code, …}` with this status and code.
pub(crate) fn kontext_refusal(answer: &Answer, status: u16, code: &str) -> Result<String> {
    ensure!(answer.status == status, "expected {status}, got {}: {}", answer.status, answer.text);
    let message = kontext(answer)?;
    ensure!(answer.json()?["code"] == code, "expected code {code}: {}", answer.text);
    Ok(message)
}

/// `{"error": {"category", "message", "details": {…, "request_id"}}}`, with the status that belongs to the category.
pub(crate) fn hoziron(answer: &Answer, category: &str) -> Result<String> {
    let body = answer.json()?;
    ensure!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    ensure!(keys(&body) == ["error"] && keys(&body["error"]) == ["category", "details", "message"], "{body}");
    let error = &body["error"];
    ensure!(error["category"] == category, "expected {category}, got {}: {body}", answer.status);
    let statuses: &[u16] = match category {
        "ValidationError" => &[400, 405, 406, 413],
        "Unauthorized" => &[401],
        "Forbidden" => &[403],
        "NotFound" => &[404],
        "InvalidState" | "Duplicate" => &[409],
        "ProviderError" => &[502],
        "InitError" => &[503],
        _ => &[500],
    };
    ensure!(statuses.contains(&answer.status), "{category} with status {}", answer.status);
    ensure!(error["details"]["request_id"] == answer.header("x-request-id"), "{body}");
    ensure!(!answer.header("x-request-id").is_empty(), "no request id");
    error["message"].as_str().map(str::to_owned).with_context(|| format!("no message in {body}"))
}

/// The names of an object's members, sorted.
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}
