//! Rate limits at the MCP endpoints.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::common;

#[tokio::test]
async fn an_agent_beyond_its_limit_gets_a_json_rpc_error_with_429() {
    let app = common::app(&[("REQUESTS_PER_MINUTE", "2")]);
    let ask = async || common::modern(&app, &app.admin, "/mcp", "tools/list", json!({})).await;
    // Whole minutes are the windows: the test must not straddle two of them.
    let rest = app.platform.now().millis().rem_euclid(60_000).unsigned_abs();
    app.clock.advance(Duration::from_millis(60_000 - rest));
    let mut last = ask().await;
    for _ in 0..2 {
        last = ask().await;
    }
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    let body = last.json();
    assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), &json!(null)));
    assert_eq!(body["error"]["code"], 429);
    assert_eq!(body["error"]["data"]["code"], "rate_limited");
    assert!(!last.header("retry-after").is_empty());
}
