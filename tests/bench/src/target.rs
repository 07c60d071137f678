//! What load is put on: the requests, prebuilt, and what a right answer looks like.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};
use stub_upstream::{LEGACY_VERSION, MODERN_VERSION};

use crate::{
    http_client::{Answer, Connection, authority},
    load::Subject,
    processes::Process,
};

const MESSAGE: &str =
    "The quick brown fox jumps over the lazy dog, and the lazy dog does not mind it in the least.";

/// How the agent of a target speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// What each request of a target asks for.
enum Question {
    Rpc { era: Era, method: &'static str, params: Value },
    Get,
}

/// What the answer must hold.
enum Expected {
    Echo,
    Tools(usize),
    Integration(String),
}

/// One thing to measure.
pub(crate) struct Target {
    /// Short and stable: the report's key.
    pub(crate) name: &'static str,
    authority: String,
    pid: Option<u64>,
    /// Whether Postern writes an audit row for each request.
    pub(crate) audited: bool,
    path: String,
    headers: HeaderMap,
    question: Question,
    expected: Expected,
}

impl Target {
    /// Calls `tool`, an echo, at a server's MCP endpoint.
    pub(crate) fn echo(name: &'static str, at: &Process, path: &str, era: Era, tool: &str) -> Result<Self> {
        let params = json!({"name": tool, "arguments": {"message": MESSAGE}});
        let target = Self::new(name, at, path, Expected::Echo)?;
        target.asks(Question::Rpc { era, method: "tools/call", params })
    }

    /// Lists a server's tools.
    pub(crate) fn list(name: &'static str, at: &Process, path: &str, tools: usize) -> Result<Self> {
        let target = Self::new(name, at, path, Expected::Tools(tools))?;
        target.asks(Question::Rpc { era: Era::Modern, method: "tools/list", params: json!({}) })
    }

    /// Reads one integration.
    pub(crate) fn integration(name: &'static str, at: &Process, id: &str) -> Result<Self> {
        Self::new(name, at, &format!("/api/v1/integrations/{id}"), Expected::Integration(id.to_owned()))
    }

    fn new(name: &'static str, at: &Process, path: &str, expected: Expected) -> Result<Self> {
        let authority = authority(at.url()?)?.to_owned();
        let target = Self {
            name,
            authority: authority.clone(),
            pid: at.pid(),
            audited: false,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            question: Question::Get,
            expected,
        };
        target.header("host", &authority)
    }

    /// Makes each request a JSON-RPC request, with the headers of its era.
    fn asks(mut self, question: Question) -> Result<Self> {
        if let Question::Rpc { era, method, params } = &question {
            self = self
                .header("content-type", "application/json")?
                .header("accept", "application/json, text/event-stream")?;
            self = match (era, params.get("name").and_then(Value::as_str)) {
                (Era::Legacy, _) => self.header("mcp-protocol-version", LEGACY_VERSION)?,
                (Era::Modern, None) => {
                    self.header("mcp-protocol-version", MODERN_VERSION)?.header("mcp-method", method)?
                }
                (Era::Modern, Some(tool)) => self
                    .header("mcp-protocol-version", MODERN_VERSION)?
                    .header("mcp-method", method)?
                    .header("mcp-name", tool)?,
            };
        }
        Ok(Self { question, ..self })
    }

    /// Adds a header to each request.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self> {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        Ok(self)
    }

    /// Says that each request leaves an audit row.
    pub(crate) fn audited(self) -> Self {
        Self { audited: true, ..self }
    }

    /// Shakes hands as a legacy agent does, and keeps the session if one is given.
    pub(crate) async fn handshake(self) -> Result<Self> {
        let params = json!({
            "protocolVersion": LEGACY_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": env!("CARGO_PKG_VERSION")},
        });
        let mut connection = Connection::open(&self.authority).await?;
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let answer = connection.send(self.post(&initialize)?.map(http_body_util::Full::new)).await?;
        ensure!(answer.status == StatusCode::OK, "{}: initialize: {}", self.name, excerpt(&answer));
        let session = answer.headers.get("mcp-session-id").map(|session| session.to_str()).transpose()?;
        let target = match session {
            Some(session) => self.header("mcp-session-id", session)?,
            None => self,
        };
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let answer = connection.send(target.post(&ready)?.map(http_body_util::Full::new)).await?;
        ensure!(answer.status == StatusCode::ACCEPTED, "{}: initialized: {}", target.name, excerpt(&answer));
        Ok(target)
    }

    fn post(&self, body: &Value) -> Result<Request<Bytes>> {
        self.build(Method::POST, body.to_string().into())
    }

    fn build(&self, method: Method, body: Bytes) -> Result<Request<Bytes>> {
        let mut request = Request::builder().method(method).uri(self.path.as_str()).body(body)?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}

impl Subject for Target {
    fn authority(&self) -> &str {
        &self.authority
    }

    fn pid(&self) -> Option<u64> {
        self.pid
    }

    fn repeats(&self) -> bool {
        true
    }

    /// Concurrent requests have different ids, as the protocol wants.
    fn request(&self, connection: usize, _turn: u64) -> Result<Request<Bytes>> {
        match &self.question {
            Question::Get => self.build(Method::GET, Bytes::new()),
            Question::Rpc { era, method, params } => {
                let mut params = params.clone();
                if let (Era::Modern, Some(params)) = (era, params.as_object_mut()) {
                    params.insert("_meta".into(), envelope());
                }
                self.post(
                    &json!({"jsonrpc": "2.0", "id": id(connection), "method": method, "params": params}),
                )
            }
        }
    }

    fn check(&self, connection: usize, _turn: u64, answer: &Answer) -> Result<()> {
        let wrong = || format!("{}: {}", self.name, excerpt(answer));
        ensure!(answer.status == StatusCode::OK, wrong());
        let body: Value = serde_json::from_slice(payload(&answer.body)).with_context(wrong)?;
        let right = match &self.expected {
            Expected::Echo => {
                body.pointer("/result/content/0/text").and_then(Value::as_str)
                    == Some(&format!("Echo: {MESSAGE}"))
            }
            Expected::Tools(count) => {
                let tools = body.pointer("/result/tools").and_then(Value::as_array);
                tools.is_some_and(|tools| tools.len() == *count)
            }
            Expected::Integration(id) => {
                body.pointer("/integration/id").or_else(|| body.get("id")).and_then(Value::as_str) == Some(id)
            }
        };
        let asked = matches!(self.question, Question::Get) || body.get("id") == Some(&id(connection));
        ensure!(right && asked, wrong());
        Ok(())
    }
}

fn id(connection: usize) -> Value {
    json!(1000 + connection)
}

/// The `_meta` of a modern request.
fn envelope() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// The JSON of a body: itself, or the data of its only event.
fn payload(body: &[u8]) -> &[u8] {
    match body.windows(6).position(|window| window == b"data: ") {
        Some(start) if !body.starts_with(b"{") => body.get(start + 6..).unwrap_or_default(),
        _ => body,
    }
}

fn excerpt(answer: &Answer) -> String {
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
    format!("{} {body}", answer.status)
}
