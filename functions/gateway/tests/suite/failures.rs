//! Failing upstreams, malformed messages, policy, and the audit rows of all of them.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use stub_upstream::Stub;

use crate::common::{app, audit, call, last, legacy, modern, register, stub, text};

const PERSONAS: &str = r#"[
    {"name":"reader","roles":["reader"],"allow_tools":["up__*"],"deny_tools":["*__fail"],"allow_connections":["up"]},
    {"name":"nothing","roles":["nothing"]}]"#;

#[tokio::test]
async fn failing_upstreams_are_tool_errors_that_name_the_connection() {
    let (app, stub) = (app(&[("UPSTREAM_TIMEOUT_MS", "300")]), stub());
    for (name, path, expected) in [
        ("Hang", "/hang-call", "did not answer in time"),
        ("Huge", "/huge-call?bytes=11000000", "larger than 10485760 bytes"),
        ("Huge chunked", "/huge-call?bytes=11000000&chunked=1", "larger than 10485760 bytes"),
        ("Endless", "/huge-call?bytes=11000000&sse=1", "larger than 10485760 bytes"),
        ("Broken", "/bad-json-call", "not a JSON-RPC response"),
        ("Dying", "/die-mid-stream", ""),
        ("Ending", "/die-mid-stream?clean=1", "ended before the answer"),
    ] {
        for era in ["legacy", "modern"] {
            let separator = if path.contains('?') { '&' } else { '?' };
            let name = format!("{name} {era}");
            register(&app, &name, &stub.url(&format!("{path}{separator}era={era}"))).await;
            let slug = postern_core::model::field::slug(&name, 0);
            let tool = format!("{slug}__echo");
            let reply = modern(
                &app,
                &app.admin,
                "/mcp",
                "tools/call",
                json!({ "name": tool, "arguments": { "message": "x" } }),
            )
            .await;
            let result = last(&reply)["result"].clone();
            assert_eq!(result["isError"], true, "{name}: {}", &reply.text[..reply.text.len().min(300)]);
            assert_eq!(result["resultType"], "complete");
            let text = text(&reply);
            assert!(
                text.starts_with(&format!("upstream:{slug}: ")) && text.contains(expected),
                "{name}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn a_dead_upstream_neither_hides_nor_delays_the_others() {
    let (app, alive, dying) = (app(&[]), stub(), stub());
    register(&app, "Alive", &alive.url("/modern")).await;
    register(&app, "Dead", &dying.url("/legacy")).await;
    drop(dying);
    let list = modern(&app, &app.admin, "/mcp", "tools/list", json!({})).await;
    assert!(list.text.contains("alive__echo") && list.text.contains("dead__echo"));
    let reply = legacy(&app, &app.admin, "/mcp", call(json!(1), "dead__echo", json!({}))).await;
    assert_eq!(text(&reply), "upstream:dead: the upstream cannot be reached");
    let reply =
        legacy(&app, &app.admin, "/mcp", call(json!(1), "alive__echo", json!({ "message": "x" }))).await;
    assert_eq!(text(&reply), "Echo: x");
}

#[tokio::test]
async fn an_upstreams_own_errors_pass_through() {
    let (app, stub) = (app(&[]), stub());
    for era in ["legacy", "modern"] {
        register(&app, era, &stub.url(&format!("/{era}"))).await;
        let failed =
            legacy(&app, &app.admin, "/mcp", call(json!(1), &format!("{era}__fail"), json!({}))).await;
        assert_eq!(last(&failed)["result"]["isError"], true);
        assert!(!text(&failed).starts_with("upstream:"));
        let error =
            legacy(&app, &app.admin, "/mcp", call(json!("e"), &format!("{era}__protocol_error"), json!({})))
                .await;
        assert_eq!((&last(&error)["error"]["code"], &last(&error)["id"]), (&json!(-32603), &json!("e")));
    }
    let rows = audit(&app).await;
    assert!(
        rows.iter()
            .all(|(_, success, authorized, error)| *success == 0 && *authorized == 1 && error.is_some())
    );
    assert_eq!(rows.len(), 4);
}

#[tokio::test]
async fn unknown_and_denied_tools_answer_alike_and_are_recorded() {
    let (app, stub) = (app(&[("PERSONAS", PERSONAS)]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    register(&app, "Other", &stub.url("/modern")).await;
    let reader = app.key("reader", &["reader"], None).await;
    stub.forget_requests();
    for tool in ["up__nope", "up__fail", "other__echo", "nowhere__echo", "echo", "", "__", "up__"] {
        for reply in [
            legacy(&app, &reader, "/mcp", call(json!(3), tool, json!({}))).await,
            modern(&app, &reader, "/mcp", "tools/call", json!({ "name": tool, "_meta": {} })).await,
        ] {
            if tool.is_empty() && reply.status == StatusCode::BAD_REQUEST {
                continue; // A modern call without the header `Mcp-Name` is refused before that.
            }
            let error = &reply.json()["error"];
            assert_eq!(reply.status, StatusCode::OK, "{tool}: {}", reply.text);
            assert_eq!(
                (&error["code"], &error["message"]),
                (&json!(-32602), &json!(format!("Unknown tool: {tool}")))
            );
        }
    }
    assert!(stub.requests().is_empty(), "no upstream was asked");
    let rows = audit(&app).await;
    let denied: Vec<_> = rows.iter().filter(|row| row.2 == 0).map(|row| row.0.as_str()).collect();
    assert!(denied.contains(&"up__fail") && denied.contains(&"other__echo") && !denied.contains(&"up__nope"));
    assert!(rows.iter().all(|row| row.1 == 0 && row.3.is_some()));
    assert_eq!(
        text(&legacy(&app, &reader, "/mcp", call(json!(1), "up__echo", json!({ "message": "x" }))).await),
        "Echo: x"
    );
}

#[tokio::test]
async fn what_is_listed_can_be_called_and_nothing_else() {
    let (app, stub) = (app(&[("PERSONAS", PERSONAS)]), stub());
    register(&app, "Up", &stub.url("/legacy")).await;
    register(&app, "Other", &stub.url("/modern")).await;
    let all = app
        .rows("SELECT i.slug || '__' || t.name FROM catalogue_entries t JOIN integrations i ON i.id = t.integration_id")
        .await
        .unwrap();
    let all: Vec<String> = all.into_iter().map(|row| row.read().text().unwrap()).collect();
    for role in ["reader", "nothing", "unheard-of"] {
        let key = app.key(role, &[role], None).await;
        let listed = modern(&app, &key, "/mcp", "tools/list", json!({})).await.json();
        let listed: Vec<_> = listed["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(listed.is_empty(), role != "reader");
        for tool in &all {
            let reply = legacy(&app, &key, "/mcp", call(json!(1), tool, json!({ "steps": 1 }))).await;
            let unknown = last(&reply)["error"]["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("Unknown tool"));
            assert_eq!(unknown, !listed.contains(tool), "{role} {tool}");
        }
        let one = legacy(
            &app,
            &key,
            "/integrations/other/mcp",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
        )
        .await;
        assert_eq!(one.status, StatusCode::NOT_FOUND, "a denied connection answers like an unknown one");
    }
}

#[tokio::test]
async fn bad_messages_get_the_error_of_the_specification() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    let version = ("mcp-protocol-version", "2026-07-28");
    for (headers, body, status, code) in [
        (vec![], "", 400, -32700),
        (vec![], "{", 400, -32700),
        (vec![], "7", 400, -32600),
        (vec![], r#"{"jsonrpc":"2.0","id":1}"#, 400, -32600),
        (vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, 200, -32602),
        (vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#, 200, -32602),
        (vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#, 200, -32602),
        (
            vec![],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","name":"up__fail"}}"#,
            200,
            -32602,
        ),
        (
            vec![],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","arguments":[]}}"#,
            200,
            -32602,
        ),
        (vec![], r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, 200, -32602),
        (vec![version], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, 400, -32602),
        (vec![version], r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, 400, -32020),
        (vec![("mcp-protocol-version", "1.0")], r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, 400, -32600),
    ] {
        let mut all = vec![("x-api-key", app.admin.as_str())];
        all.extend(headers);
        let reply = app.send(Method::POST, "/mcp", &all, body).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (status, &json!(code)),
            "{body}: {}",
            reply.text
        );
        assert_eq!(reply.json()["jsonrpc"], "2.0");
    }
    let invalid_utf8 = app.send(Method::POST, "/mcp", &[("x-api-key", &app.admin)], "\u{fffd}").await;
    assert_eq!(invalid_utf8.json()["error"]["code"], -32700);
}

#[tokio::test]
async fn http_level_refusals_are_json_rpc_too() {
    let app = app(&[]);
    let large = "x".repeat(4 * 1024 * 1024 + 1);
    for (method, path, key, body, status) in [
        (Method::POST, "/mcp", "", "{}", StatusCode::UNAUTHORIZED),
        (Method::POST, "/mcp", "pst_wrong", "{}", StatusCode::UNAUTHORIZED),
        (Method::GET, "/mcp", app.admin.as_str(), "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/mcp", app.admin.as_str(), "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/mcp", app.admin.as_str(), large.as_str(), StatusCode::PAYLOAD_TOO_LARGE),
        (Method::POST, "/mcp/unknown/path", app.admin.as_str(), "{}", StatusCode::NOT_FOUND),
        (Method::POST, "/integrations/unknown/mcp", app.admin.as_str(), "{}", StatusCode::NOT_FOUND),
    ] {
        let reply = app.send(method.clone(), path, &[("x-api-key", key)], body).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.json()["jsonrpc"], "2.0", "{method} {path}");
        assert_eq!(reply.header("allow").is_empty(), status != StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(reply.header("www-authenticate").is_empty(), status != StatusCode::UNAUTHORIZED);
    }
    let origin = [
        ("x-api-key", app.admin.as_str()),
        ("host", "evil.example.com"),
        ("origin", "http://evil.example.com"),
    ];
    assert_eq!(app.send(Method::POST, "/mcp", &origin, "{}").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_audit_row_describes_the_call_and_contains_no_secret() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    app.settle().await;
    app.rows("DELETE FROM audit_events RETURNING id").await.unwrap();
    let arguments =
        json!({ "message": "hello", "Password": "canary-1", "nested": { "api_key": "canary-2" } });
    let reply = legacy(&app, &app.admin, "/mcp", call(json!(1), "up__echo", arguments)).await;
    assert_eq!(app.database.count("audit_events"), 0, "the row is written after the answer");
    app.settle().await;
    let rows = app.rows("SELECT id, request_id, user_id, persona, connection, parameters, success, response_chars, content_blocks FROM audit_events").await.unwrap();
    let mut row = rows.into_iter().next().unwrap().read();
    assert!(row.text().unwrap().starts_with("evt_"));
    assert_eq!(row.text().unwrap(), reply.header("x-request-id"));
    assert_eq!(
        (row.text().unwrap(), row.text().unwrap(), row.text().unwrap()),
        ("apikey:bootstrap".into(), "admin".into(), "up".into())
    );
    assert_eq!(
        row.text().unwrap(),
        r#"{"Password":"[REDACTED]","message":"hello","nested":{"api_key":"[REDACTED]"}}"#
    );
    assert_eq!(row.integer().unwrap(), 1);
    assert_eq!(row.integer().unwrap(), i64::try_from(reply.text.len()).unwrap());
    assert_eq!(row.integer().unwrap(), 1);
}

#[tokio::test]
async fn concurrent_calls_share_a_write_and_lose_no_row() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    let calls = (0..50)
        .map(|id| legacy(&app, &app.admin, "/mcp", call(json!(id), "up__echo", json!({ "message": "x" }))));
    let replies = futures_util::future::join_all(calls).await;
    for (id, reply) in replies.iter().enumerate() {
        assert_eq!(reply.json()["id"], id);
    }
    assert_eq!(audit(&app).await.len(), 50);
}

#[tokio::test]
async fn calls_of_an_archived_integration_are_refused_at_once() {
    let (app, stub) = (app(&[]), stub());
    let id = register(&app, "Up", &stub.url("/modern")).await;
    let echo = || legacy(&app, &app.admin, "/mcp", call(json!(1), "up__echo", json!({ "message": "x" })));
    assert_eq!(text(&echo().await), "Echo: x");
    app.admin(Method::DELETE, &format!("/api/v1/integrations/{id}"), None).await;
    assert_eq!(last(&echo().await)["error"]["code"], -32602);
    let list = modern(&app, &app.admin, "/mcp", "tools/list", json!({})).await;
    assert_eq!(list.json()["result"]["tools"], json!([]));
}

/// Each answer is within the limit of one answer; all of them together would have to be in memory at once.
#[tokio::test]
async fn the_answers_of_a_batch_are_together_no_larger_than_one() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/huge-call?era=legacy&bytes=6000000")).await;
    stub.forget_requests();
    let calls: Vec<Value> =
        (1..=5).map(|id| call(json!(id), "up__echo", json!({ "message": "x" }))).collect();
    let answers = legacy(&app, &app.admin, "/mcp", json!(calls)).await.json();
    let failed =
        |answer: &Value| answer["error"]["message"].as_str().is_some_and(|text| text.contains("too large"));
    let failures: Vec<bool> = answers.as_array().unwrap().iter().map(failed).collect();
    assert_eq!(failures, [false, false, true, true, true]);
    assert_eq!(answers[4]["id"], 5);
    let calls = bodies(&stub).filter(|body| body["method"] == "tools/call").count();
    assert_eq!(calls, 2, "what is refused is not done");
}

/// Returns the JSON of the requests that the upstream received.
fn bodies(stub: &Stub) -> impl Iterator<Item = Value> {
    stub.requests().into_iter().filter_map(|request| serde_json::from_slice(&request.body).ok())
}

/// The upstream never accepts a refusal: were each request refused at once, a thousand refusals would be under way.
#[tokio::test]
async fn a_stream_of_requests_leads_to_one_refusal_at_a_time() {
    let (app, stub) = (app(&[("UPSTREAM_TIMEOUT_MS", "200")]), stub());
    register(&app, "Up", &stub.url("/ask-call?era=legacy&requests=1000")).await;
    stub.forget_requests();
    let reply = legacy(&app, &app.admin, "/mcp", call(json!(1), "up__echo", json!({ "message": "x" }))).await;
    assert_eq!(text(&reply), "done");
    app.settle().await;
    let refusals = bodies(&stub).filter(|body| body["error"]["code"] == -32601).count();
    assert!((1..=9).contains(&refusals), "{refusals} refusals");
}
