//! A call that is being streamed while its caller's key ends.

use std::time::Duration;

use futures_util::future::join;
use serde_json::json;

use crate::common::{app, call, events, legacy, register, stub};

#[tokio::test]
async fn a_stream_ends_once_its_key_is_deleted() {
    let (app, stub) = (
        app(&[("PERSONAS", r#"[{"name":"p","roles":["p"],"allow_connections":["*"],"allow_tools":["*"]}]"#)]),
        stub(),
    );
    register(&app, "Up", &stub.url("/legacy")).await;
    let key = app.key("soon deleted", &["p"], None).await;
    let mut body = call(json!(1), "up__gated_progress", json!({ "steps": 50, "gate": "g" }));
    body["params"]["_meta"] = json!({ "progressToken": "t" });
    let deletion = async {
        let is_called = || {
            stub.requests().iter().any(|request| request.body.windows(10).any(|part| part == b"tools/call"))
        };
        while !is_called() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..2 {
            stub.release("g");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        postern_core::store::api_keys::delete(&app.platform, "soon deleted").await.unwrap();
        app.clock.advance(Duration::from_secs(30));
        for _ in 0..100 {
            stub.release("g");
        }
    };
    let (reply, ()) = join(legacy(&app, &key, "/mcp", body), deletion).await;
    let events = events(&reply);
    let last = events.last().unwrap().to_string();
    assert!(last.contains("the API key was deleted or has expired"), "{last}");
    assert!((2..50).contains(&events.len()), "{} events", events.len());
}
