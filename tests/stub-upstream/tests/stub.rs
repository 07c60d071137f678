//! The stub over real HTTP: the behaviour that other tests rely on when they use the stub as an upstream.

// The helpers of a test may fail like the test itself.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use stub_upstream::{LEGACY_VERSION, MODERN_VERSION, Options, Stub};
use tokio::net::TcpStream;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn send(stub: &Stub, request: Request<Full<Bytes>>) -> hyper::Response<Incoming> {
    let socket = TcpStream::connect(stub.address()).await.expect("a connection");
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.expect("a handshake");
    tokio::spawn(connection);
    sender.send_request(request).await.expect("an answer")
}

async fn ask(
    stub: &Stub,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", stub.address().to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, body) = send(stub, request.body(Full::new(body.into())).unwrap()).await.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

const JSON: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

async fn post(stub: &Stub, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers: Vec<_> = JSON.iter().chain(headers).copied().collect();
    ask(stub, Method::POST, path, &headers, body.to_string()).await
}

fn modern_body(method: &str, mut params: Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let object = params.as_object_mut().unwrap();
    let merged = object.entry("_meta").or_insert_with(|| json!({})).as_object_mut().unwrap();
    merged.extend(meta.as_object().unwrap().clone());
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

async fn modern(stub: &Stub, path: &str, method: &str, params: Value) -> Answer {
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let headers =
        [("mcp-protocol-version", MODERN_VERSION), ("mcp-method", method), ("mcp-name", name.as_str())];
    post(stub, path, &headers, &modern_body(method, params)).await
}

fn error_code(answer: &Answer) -> i64 {
    answer.json()["error"]["code"].as_i64().unwrap_or_default()
}

async fn open_session(stub: &Stub, path: &str) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": LEGACY_VERSION, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let answer = post(stub, path, &[], &body).await;
    assert_eq!(answer.json()["result"]["protocolVersion"], LEGACY_VERSION);
    answer.header("mcp-session-id").expect("a session").to_owned()
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": name, "arguments": arguments}})
}

#[tokio::test]
async fn legacy_sessions_are_required_counted_and_ended() {
    let stub = Stub::start(Options::default()).unwrap();
    let echo = call("echo", &json!({"message": "hi"}));
    assert_eq!(post(&stub, "/legacy", &[], &echo).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        post(&stub, "/legacy", &[("mcp-session-id", "dead")], &echo).await.status,
        StatusCode::NOT_FOUND
    );

    let session = open_session(&stub, "/legacy?expire=2").await;
    let session = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", LEGACY_VERSION)];
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(&stub, "/legacy", &session, &ready).await.status, StatusCode::ACCEPTED);
    let ping = json!({"jsonrpc": "2.0", "id": "p", "method": "ping"});
    assert_eq!(post(&stub, "/legacy", &session, &ping).await.json()["result"], json!({}));
    for _ in 0..2 {
        let answer = post(&stub, "/legacy", &session, &echo).await.json();
        assert_eq!(answer["result"], json!({"content": [{"type": "text", "text": "Echo: hi"}]}));
    }
    assert_eq!(post(&stub, "/legacy", &session, &echo).await.status, StatusCode::NOT_FOUND);

    let session = open_session(&stub, "/legacy").await;
    let session = [("mcp-session-id", session.as_str())];
    assert_eq!(ask(&stub, Method::DELETE, "/legacy", &session, "").await.status, StatusCode::OK);
    assert_eq!(post(&stub, "/legacy", &session, &ping).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&stub, Method::GET, "/legacy", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);

    let methods: Vec<_> = stub.requests().iter().filter_map(stub_upstream::Recorded::rpc_method).collect();
    assert_eq!(methods.iter().filter(|method| *method == "initialize").count(), 2);
}

#[tokio::test]
async fn modern_requests_are_validated() {
    let stub = Stub::start(Options::default()).unwrap();
    let discovered = modern(&stub, "/modern", "server/discover", json!({})).await;
    assert_eq!(discovered.json()["result"]["supportedVersions"], json!([MODERN_VERSION]));
    let echoed =
        modern(&stub, "/modern", "tools/call", json!({"name": "echo", "arguments": {"message": "hi"}})).await;
    assert_eq!(echoed.json()["result"]["content"][0]["text"], "Echo: hi");
    assert_eq!(echoed.json()["result"]["resultType"], "complete");

    let list = modern_body("tools/list", json!({}));
    let right = [("mcp-protocol-version", MODERN_VERSION), ("mcp-method", "tools/list")];
    assert_eq!(post(&stub, "/modern", &right, &list).await.status, StatusCode::OK);
    for wrong in [
        &right[..1],
        &right[1..],
        &[("mcp-protocol-version", LEGACY_VERSION), right[1]],
        &[right[0], ("mcp-method", "tools/call")],
    ] {
        let answer = post(&stub, "/modern", wrong, &list).await;
        assert_eq!((answer.status, error_code(&answer)), (StatusCode::BAD_REQUEST, -32020), "{wrong:?}");
    }
    let mut future = list.clone();
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2027-01-01");
    let answer = post(&stub, "/modern", &[("mcp-protocol-version", "2027-01-01"), right[1]], &future).await;
    assert_eq!((answer.status, error_code(&answer)), (StatusCode::BAD_REQUEST, -32022));
    assert_eq!(
        answer.json()["error"]["data"],
        json!({"supported": [MODERN_VERSION], "requested": "2027-01-01"})
    );
    let bare = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let answer = post(&stub, "/modern", &right, &bare).await;
    assert_eq!((answer.status, error_code(&answer)), (StatusCode::BAD_REQUEST, -32602));
    let answer = modern(&stub, "/modern", "ping", json!({})).await;
    assert_eq!((answer.status, error_code(&answer)), (StatusCode::NOT_FOUND, -32601));
    assert_eq!(ask(&stub, Method::DELETE, "/modern", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn mirrored_arguments_need_their_header() {
    let stub = Stub::start(Options::default()).unwrap();
    let body = modern_body("tools/call", json!({"name": "mirrored", "arguments": {"region": "zürich"}}));
    let headers =
        [("mcp-protocol-version", MODERN_VERSION), ("mcp-method", "tools/call"), ("mcp-name", "mirrored")];
    let answer = post(&stub, "/modern", &headers, &body).await;
    assert_eq!((answer.status, error_code(&answer)), (StatusCode::BAD_REQUEST, -32020));
    let headers = [&headers[..], &[("mcp-param-region", "=?base64?esO8cmljaA==?=")]].concat();
    let answer = post(&stub, "/modern", &headers, &body).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "Region: zürich");
}

#[tokio::test]
async fn a_dual_endpoint_goes_by_the_body() {
    let stub = Stub::start(Options::default()).unwrap();
    let params = json!({"name": "add", "arguments": {"a": 2, "b": 3.5}});
    let answer = modern(&stub, "/dual", "tools/call", params).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "5.5");
    let session = open_session(&stub, "/dual").await;
    let answer = post(&stub, "/dual", &[("mcp-session-id", &session)], &call("fail", &json!({}))).await;
    assert_eq!(answer.json()["result"]["isError"], true);
    let answer =
        post(&stub, "/dual", &[("mcp-session-id", &session)], &call("protocol_error", &json!({}))).await;
    assert_eq!(error_code(&answer), -32603);
    let claimless = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let answer = post(&stub, "/dual", &[("mcp-protocol-version", MODERN_VERSION)], &claimless).await;
    assert_eq!((answer.status, error_code(&answer)), (StatusCode::BAD_REQUEST, -32602));
}

#[tokio::test]
async fn lists_are_paged() {
    let options = Options { extra_tools: 5, page_size: Some(4), ..Options::default() };
    let stub = Stub::start(options).unwrap();
    let (mut names, mut params) = (Vec::new(), json!({}));
    loop {
        let page = modern(&stub, "/modern", "tools/list", params).await.json()["result"].clone();
        names.extend(page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()));
        let Some(cursor) = page.get("nextCursor") else {
            break;
        };
        params = json!({"cursor": cursor});
    }
    assert_eq!((names.len(), &names[0], &names[11]), (12, &json!("echo"), &json!("tool_004")));
    let few = modern(&stub, "/modern?tools=2", "tools/list", json!({})).await.json()["result"].clone();
    assert_eq!((few["tools"].as_array().unwrap().len(), few.get("nextCursor")), (2, None));
    let answer = modern(&stub, "/modern", "tools/list", json!({"cursor": "nonsense"})).await;
    assert_eq!((answer.status, error_code(&answer)), (StatusCode::OK, -32602));
}

#[tokio::test]
async fn gates_hold_events_back() {
    let stub = Stub::start(Options::default()).unwrap();
    let arguments = json!({"steps": 2, "gate": "g"});
    let params = json!({"name": "gated_progress", "arguments": arguments, "_meta": {"progressToken": "t"}});
    let request = Request::post("/modern")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", MODERN_VERSION)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "gated_progress");
    let body = Full::from(modern_body("tools/call", params).to_string());
    let mut answer = send(&stub, request.body(body).unwrap()).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let frame = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        seen.push(String::from_utf8(frame.to_vec()).unwrap());
        let early = tokio::time::timeout(std::time::Duration::from_millis(50), answer.frame()).await;
        assert_eq!(early.is_err(), seen.len() < 3, "an event came before its release");
        stub.release("g");
    }
    assert!(seen[0].contains("\"progressToken\":\"t\"") && seen[0].contains("\"progress\":1"));
    assert!(seen[2].contains("\"result\""));
    assert_eq!(stub.cancelled_streams(), 0);
}

#[tokio::test]
async fn endpoints_misbehave_as_asked() {
    let stub = Stub::start(Options::default()).unwrap();
    assert_eq!(post(&stub, "/status/503", &[], &json!({})).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let answer = post(&stub, "/redirect?to=http%3A%2F%2F127.0.0.1%3A9%2F", &[], &json!({})).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::FOUND, Some("http://127.0.0.1:9/")));
    let answer = post(&stub, "/bad-json", &[], &json!({})).await;
    assert!(serde_json::from_str::<Value>(&answer.body).is_err());

    let params = json!({"name": "echo", "arguments": {"message": "hi"}});
    for path in ["/huge-call?bytes=100000", "/huge-call?bytes=100000&chunked=1"] {
        let answer = modern(&stub, path, "tools/call", params.clone()).await;
        assert_eq!(answer.header("content-length").is_some(), !path.contains("chunked"));
        assert_eq!(answer.body.len(), 100_000);
        assert!(answer.json()["result"]["content"][0]["text"].is_string());
    }
    let answer = modern(&stub, "/die-mid-stream?clean=1", "tools/call", params.clone()).await;
    assert_eq!(answer.body, ": working\n\n");

    let request = Request::post("/die-mid-stream?era=legacy");
    let session = open_session(&stub, "/die-mid-stream?era=legacy").await;
    let request = JSON.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let body = Full::from(call("echo", &json!({"message": "hi"})).to_string());
    let answer = send(&stub, request.header("mcp-session-id", session).body(body).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.into_body().collect().await.is_err(), "the stream must break off");
}

#[tokio::test]
async fn strangers_are_refused_and_helpers_stay_open() {
    let options = Options { require_bearer: Some("secret".into()), ..Options::default() };
    let stub = Stub::start(options).unwrap();
    let answer = modern(&stub, "/modern", "server/discover", json!({})).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let answer = post(&stub, "/legacy?stateless=1", &[("authorization", "Bearer secret")], &body).await;
    assert_eq!(answer.json()["result"], json!({}));

    let answer = ask(&stub, Method::PUT, "/helper/echo?x=1", &[("x-a", "1"), ("x-a", "2")], "body").await;
    let echoed = answer.json();
    assert_eq!(
        (&echoed["method"], &echoed["query"], &echoed["body"]),
        (&json!("PUT"), &json!("x=1"), &json!("body"))
    );
    assert_eq!(echoed["headers"]["x-a"], "1, 2");
    let answer = ask(&stub, Method::GET, "/helper/stream?chunks=3&delay_ms=5", &[], "").await;
    assert_eq!(answer.body, "chunk 0\nchunk 1\nchunk 2\n");
    assert_eq!(ask(&stub, Method::GET, "/helper/bytes?n=70000", &[], "").await.body.len(), 70_000);
}

#[tokio::test]
async fn the_catalogue_changes_while_the_stub_runs() {
    let stub = Stub::start(Options::default()).unwrap();
    let listed = async || {
        let page = modern(&stub, "/modern", "tools/list", json!({})).await.json()["result"].clone();
        page["tools"].as_array().unwrap().clone()
    };
    let before = listed().await;
    let new = json!({"name": "new", "description": "One.", "inputSchema": {"type": "object"}});
    stub.set_tool(new.clone());
    assert_eq!(listed().await, [&before[..], &[new]].concat());
    let called = modern(&stub, "/modern", "tools/call", json!({"name": "new", "arguments": {}})).await;
    assert_eq!(called.json()["result"]["content"][0]["text"], "new found nothing.");
    let changed = json!({"name": "new", "description": "Two.", "inputSchema": {"type": "object"}});
    stub.set_tool(changed.clone());
    assert_eq!(listed().await, [&before[..], &[changed]].concat());
    assert!(stub.remove_tool("new") && !stub.remove_tool("new"));
    assert_eq!(listed().await, before);
}

#[tokio::test]
async fn a_broken_stub_answers_one_status_until_it_is_mended() {
    let stub = Stub::start(Options::default()).unwrap();
    stub.break_with(Some(StatusCode::BAD_GATEWAY));
    for path in ["/modern", "/legacy", "/nothing"] {
        assert_eq!(post(&stub, path, &[], &json!({})).await.status, StatusCode::BAD_GATEWAY);
    }
    stub.break_with(None);
    assert_eq!(modern(&stub, "/modern", "server/discover", json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn guarded_endpoints_ask_for_a_credential_and_name_their_documents() {
    let stub = Stub::start(Options::default()).unwrap();
    for (kind, document) in [("plain", None), ("metadata", Some(true)), ("foreign", Some(false))] {
        let path = format!("/guarded/{kind}/modern");
        let refused = modern(&stub, &path, "server/discover", json!({})).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{kind}");
        let challenge = refused.header("www-authenticate").unwrap();
        let named = challenge.split_once("resource_metadata=\"").and_then(|(_, rest)| rest.split_once('"'));
        assert_eq!(named.is_some(), document.is_some(), "{kind}: {challenge}");
        if let (Some((url, _)), Some(ours)) = (named, document) {
            let found = ask(&stub, Method::GET, url.strip_prefix(&stub.url("")).unwrap(), &[], "").await;
            assert_eq!(found.json()["resource"] == stub.url(&path), ours, "{kind}");
        }
        let list = modern_body("tools/list", json!({}));
        let headers = [
            ("mcp-protocol-version", MODERN_VERSION),
            ("mcp-method", "tools/list"),
            ("x-api-key", "anything"),
        ];
        assert_eq!(post(&stub, &path, &headers, &list).await.status, StatusCode::OK, "{kind}");
    }
}

#[tokio::test]
async fn some_endpoints_are_huge_or_endless_from_the_first_request() {
    let stub = Stub::start(Options::default()).unwrap();
    let answer = modern(&stub, "/huge?bytes=100000", "server/discover", json!({})).await;
    assert_eq!((answer.body.len(), &answer.json()["id"]), (100_000, &json!(7)));
    let request = Request::post("/drip").body(Full::default()).unwrap();
    let mut answer = send(&stub, request).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for _ in 0..3 {
        let frame = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, ": still here\n\n");
    }
    let answer = post(&stub, "/redirect?status=307&to=/x", &[], &json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (307, Some("/x")));
}

#[test]
fn the_program_reports_its_address_and_leaves_with_its_parent() {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_stub-upstream"))
        .args(["--port", "0", "--tools", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert!(ready["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
