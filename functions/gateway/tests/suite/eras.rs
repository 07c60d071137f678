//! Both eras on one endpoint: handshake, discovery, lists, calls, and all four pairs of agent and upstream.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{VERSION, app, call, events, last, legacy, modern, register, stub, text};

#[tokio::test]
async fn initialize_negotiates_a_revision_and_opens_the_callers_session() {
    let app = app(&[]);
    for (asked, settled) in [
        ("2025-11-25", "2025-11-25"),
        ("2024-11-05", "2024-11-05"),
        ("2026-07-28", "2025-11-25"),
        ("x", "2025-11-25"),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } } });
        let reply = legacy(&app, &app.admin, "/mcp", body).await;
        assert_eq!(reply.json()["result"]["protocolVersion"], settled);
        assert_eq!(reply.json()["result"]["serverInfo"]["name"], "postern");
        assert_eq!(reply.json()["result"]["capabilities"], json!({ "tools": {} }));
        let session = reply.header("mcp-session-id").to_owned();
        assert!(session.bytes().all(|byte| byte.is_ascii_graphic()) && session.len() > 40);

        let ping = json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" }).to_string();
        let other = app.key(&format!("other {asked}"), &["admin"], None).await;
        for (key, session, status) in [
            (&app.admin, session.as_str(), StatusCode::OK),
            (&other, session.as_str(), StatusCode::NOT_FOUND),
            (&app.admin, "forged", StatusCode::NOT_FOUND),
        ] {
            let headers =
                [("x-api-key", key.as_str()), ("mcp-session-id", session), ("mcp-protocol-version", settled)];
            assert_eq!(app.send(Method::POST, "/mcp", &headers, ping.clone()).await.status, status);
        }
        app.clock.advance(std::time::Duration::from_secs(24 * 3600));
        let headers = [("x-api-key", app.admin.as_str()), ("mcp-session-id", session.as_str())];
        assert_eq!(
            app.send(Method::POST, "/mcp", &headers, ping).await.status,
            StatusCode::NOT_FOUND,
            "expired"
        );
    }
}

#[tokio::test]
async fn notifications_and_responses_are_accepted_without_an_answer() {
    let app = app(&[]);
    for body in [
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
    ] {
        let reply = legacy(&app, &app.admin, "/mcp", body).await;
        assert_eq!((reply.status, reply.text.as_str()), (StatusCode::ACCEPTED, ""));
    }
}

#[tokio::test]
async fn discover_names_the_revision_and_postern() {
    let app = app(&[]);
    let reply = modern(&app, &app.admin, "/mcp", "server/discover", json!({})).await;
    let result = &reply.json()["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["cacheScope"], "private");
    assert!(result["ttlMs"].is_u64());
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "postern");
    assert!(reply.header("mcp-session-id").is_empty());
}

#[tokio::test]
async fn an_unknown_method_gets_the_error_of_each_era() {
    let app = app(&[]);
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"] {
        let reply = modern(&app, &app.admin, "/mcp", method, json!({})).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (StatusCode::NOT_FOUND, &json!(-32601)),
            "{method}"
        );
        assert_eq!(reply.json()["id"], "m-1");
    }
    let reply =
        legacy(&app, &app.admin, "/mcp", json!({ "jsonrpc": "2.0", "id": 5, "method": "no/such" })).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (StatusCode::OK, &json!(-32601)));
}

#[tokio::test]
async fn all_four_pairs_of_eras_can_call() {
    let (app, stub) = (app(&[]), stub());
    for name in ["legacy", "modern"] {
        register(&app, name, &stub.url(&format!("/{name}"))).await;
        register(&app, &format!("{name} streaming"), &stub.url(&format!("/{name}?sse=1"))).await;
    }
    for slug in ["legacy", "modern", "legacy-streaming", "modern-streaming"] {
        for (path, tool) in [
            ("/mcp".to_owned(), format!("{slug}__echo")),
            (format!("/integrations/{slug}/mcp"), "echo".to_owned()),
        ] {
            let id = json!(9_007_199_254_740_991_i64);
            let old =
                legacy(&app, &app.admin, &path, call(id.clone(), &tool, json!({ "message": "hé" }))).await;
            assert_eq!(text(&old), "Echo: hé", "{slug} {path}: {}", old.text);
            assert_eq!(last(&old)["id"], id);
            assert!(last(&old)["result"].get("resultType").is_none());
            assert!(!old.text.contains("io.modelcontextprotocol"), "{}", old.text);

            let new = modern(
                &app,
                &app.admin,
                &path,
                "tools/call",
                json!({ "name": tool, "arguments": { "message": "hé" } }),
            )
            .await;
            assert_eq!(text(&new), "Echo: hé", "{slug} {path}: {}", new.text);
            let answer = last(&new);
            assert_eq!(answer["id"], "m-1");
            assert_eq!(answer["result"]["resultType"], "complete");
            assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "postern");
        }
    }
}

#[tokio::test]
async fn lists_come_from_the_catalogue_in_both_eras() {
    let (app, stub) = (app(&[]), stub());
    let id = register(&app, "Vendor", &stub.url("/modern")).await;
    stub.forget_requests();
    let names = |result: &Value| -> Vec<String> {
        result["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let all = legacy(&app, &app.admin, "/mcp", list.clone()).await.json();
    assert!(names(&all["result"]).contains(&"vendor__echo".to_owned()));
    assert!(all["result"].get("ttlMs").is_none() && all["result"].get("nextCursor").is_none());
    assert!(all["result"]["tools"][0]["inputSchema"].is_object());
    for reference in ["vendor", &id] {
        let one =
            legacy(&app, &app.admin, &format!("/integrations/{reference}/mcp"), list.clone()).await.json();
        assert!(names(&one["result"]).contains(&"echo".to_owned()));
    }
    let fresh = modern(&app, &app.admin, "/mcp", "tools/list", json!({})).await.json();
    assert_eq!(names(&fresh["result"]), names(&all["result"]));
    assert_eq!(fresh["result"]["cacheScope"], "private");
    assert_eq!(fresh["result"]["resultType"], "complete");
    assert!(stub.requests().is_empty(), "no upstream was asked");
}

#[tokio::test]
async fn long_lists_are_paged_and_foreign_cursors_refused() {
    let app = app(&[]);
    let stub = stub_upstream::Stub::start(stub_upstream::Options { extra_tools: 1203, ..Default::default() })
        .unwrap();
    register(&app, "Many", &stub.url("/modern")).await;
    let mut seen = std::collections::BTreeSet::new();
    let mut params = json!({});
    let mut pages = 0;
    loop {
        let reply = modern(&app, &app.admin, "/mcp", "tools/list", params.clone()).await.json();
        let tools = reply["result"]["tools"].as_array().unwrap();
        assert!(tools.len() <= 500);
        seen.extend(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match reply["result"].get("nextCursor") {
            Some(next) => params = json!({ "cursor": next }),
            None => break,
        }
    }
    assert!(pages == 3 && seen.len() > 1203, "{pages} pages, {} tools", seen.len());
    for path in ["/mcp", "/integrations/many/mcp"] {
        for cursor in ["", "x", params["cursor"].as_str().unwrap()] {
            let reply = modern(&app, &app.admin, path, "tools/list", json!({ "cursor": cursor })).await;
            let refused = reply.json()["error"]["code"] == json!(-32602);
            let own = path == "/mcp" && cursor.len() > 1;
            assert_eq!(refused, !own, "{path} {cursor}");
        }
    }
}

#[tokio::test]
async fn progress_is_relayed_for_both_eras() {
    let (app, stub) = (app(&[]), stub());
    for name in ["legacy", "modern"] {
        register(&app, name, &stub.url(&format!("/{name}"))).await;
        let tool = format!("{name}__slow_progress");
        let params = json!({ "name": tool, "arguments": { "steps": 3 }, "_meta": { "progressToken": "tok", "traceparent": "00-1" } });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        for reply in [
            legacy(&app, &app.admin, "/mcp", body).await,
            modern(&app, &app.admin, "/mcp", "tools/call", params).await,
        ] {
            let events = events(&reply);
            assert_eq!(events.len(), 4, "{}", reply.text);
            for (index, event) in events.iter().take(3).enumerate() {
                assert_eq!(event["method"], "notifications/progress");
                assert_eq!(event["params"]["progressToken"], "tok");
                assert_eq!(event["params"]["progress"], index + 1);
            }
            assert_eq!(text(&reply), "done");
            assert_eq!(reply.header("x-accel-buffering"), "no");
        }
    }
    for request in
        stub.requests().iter().filter(|request| request.rpc_method().as_deref() == Some("tools/call"))
    {
        let meta = &request.json().unwrap()["params"]["_meta"];
        assert_eq!((&meta["progressToken"], &meta["traceparent"]), (&json!("tok"), &json!("00-1")));
    }
}

#[tokio::test]
async fn an_agent_without_event_streams_gets_the_response_alone() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/legacy?sse=1")).await;
    let body = call(json!(1), "up__echo", json!({ "message": "x" })).to_string();
    for (accept, content_type) in [
        ("application/json", "application/json"),
        ("*/*", "text/event-stream"),
        ("text/event-stream", "text/event-stream"),
    ] {
        let reply = app
            .send(Method::POST, "/mcp", &[("x-api-key", &app.admin), ("accept", accept)], body.clone())
            .await;
        assert_eq!(reply.header("content-type"), content_type);
        assert_eq!(text(&reply), "Echo: x");
    }
    let reply =
        app.send(Method::POST, "/mcp", &[("x-api-key", &app.admin), ("accept", "image/png")], body).await;
    assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn a_batch_gets_one_answer_in_the_revision_that_has_batches() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/legacy?sse=1")).await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        call(json!("two"), "up__echo", json!({ "message": "x" })),
        { "jsonrpc": "2.0", "id": null, "method": "ping" },
    ]);
    let answers = legacy(&app, &app.admin, "/mcp", batch).await.json();
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!("two"), Value::Null]);
    let quiet = json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]);
    assert_eq!(legacy(&app, &app.admin, "/mcp", quiet).await.status, StatusCode::ACCEPTED);
    let headers = [("x-api-key", app.admin.as_str()), ("mcp-protocol-version", "2025-11-25")];
    assert_eq!(app.send(Method::POST, "/mcp", &headers, "[]").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn modern_upstreams_get_exact_headers_and_their_own_envelope() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    stub.forget_requests();
    let params = json!({ "name": "up__echo", "arguments": { "message": "x" }, "_meta": {
        "io.modelcontextprotocol/clientInfo": { "name": "agent", "version": "9" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
        "vendor.example/key": 1 } });
    assert_eq!(text(&modern(&app, &app.admin, "/mcp", "tools/call", params).await), "Echo: x");
    assert_eq!(
        text(&legacy(&app, &app.admin, "/mcp", call(json!(7), "up__echo", json!({ "message": "x" }))).await),
        "Echo: x"
    );
    let requests = stub.requests();
    assert_eq!(requests.len(), 2, "a call is one request");
    for (request, capabilities) in requests.iter().zip([json!({ "elicitation": {} }), json!({})]) {
        assert_eq!(request.header("mcp-protocol-version"), Some(VERSION.1));
        assert_eq!(
            (request.header("mcp-method"), request.header("mcp-name")),
            (Some("tools/call"), Some("echo"))
        );
        assert_eq!(
            (request.header("x-api-key"), request.header("authorization")),
            (None, None),
            "the agent's key is not sent upstream"
        );
        let body = request.json().unwrap();
        assert_ne!(body["id"], "m-1", "ids are Postern's own");
        let meta = &body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "postern");
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], capabilities);
    }
    assert_eq!(requests[0].json().unwrap()["params"]["_meta"]["vendor.example/key"], 1);
}

#[tokio::test]
async fn a_lost_upstream_session_is_opened_again_once() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/legacy")).await;
    let echo = || legacy(&app, &app.admin, "/mcp", call(json!(1), "up__echo", json!({ "message": "x" })));
    assert_eq!(text(&echo().await), "Echo: x");
    stub.forget_requests();
    assert_eq!(text(&echo().await), "Echo: x");
    assert_eq!(stub.requests().len(), 1, "the session is reused");
    stub.forget_sessions();
    stub.forget_requests();
    assert_eq!(text(&echo().await), "Echo: x");
    let methods: Vec<_> = stub.requests().iter().filter_map(stub_upstream::Recorded::rpc_method).collect();
    assert_eq!(methods, ["tools/call", "initialize", "notifications/initialized", "tools/call"]);
}

#[tokio::test]
async fn callers_do_not_share_upstream_sessions() {
    let (app, stub) = (app(&[]), stub());
    let other = app.key("other", &["admin"], None).await;
    // The bootstrap key is stored only while no other key is, so another admin key takes its place.
    let first = app.key("first", &["admin"], None).await;
    let created = app
        .send(
            Method::POST,
            "/api/v1/integrations",
            &[("x-api-key", &first)],
            json!({ "name": "Up", "url": stub.url("/legacy") }).to_string(),
        )
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
    app.settle().await;
    stub.forget_requests();
    for key in [&first, &other, &first] {
        assert_eq!(
            text(&legacy(&app, key, "/mcp", call(json!(1), "up__echo", json!({ "message": "x" }))).await),
            "Echo: x"
        );
    }
    let requests = stub.requests();
    let calls = requests.iter().filter(|request| request.rpc_method().as_deref() == Some("tools/call"));
    let sessions: Vec<_> =
        calls.map(|request| request.header("mcp-session-id").unwrap().to_owned()).collect();
    assert_eq!(sessions[0], sessions[2]);
    assert_ne!(sessions[0], sessions[1]);
}
