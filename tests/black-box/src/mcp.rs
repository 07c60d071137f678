//! MCP by hand: requests of both eras written out header by header, and answers read event by event, for tests that
//! assert on the wire.

use std::{pin::Pin, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{Stream, StreamExt as _};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use sse_stream::{Sse, SseStream};

use crate::api::{Answer, Api, header, headers};

/// The legacy revision that these requests speak.
pub const LEGACY: &str = "2025-11-25";
/// The modern revision that these requests speak.
pub const MODERN: &str = "2026-07-28";

/// A JSON-RPC request on its way: its headers and its body.
#[derive(Clone, Debug)]
pub struct Request {
    /// The headers beyond content negotiation and authorization.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

impl Request {
    /// A request of the legacy era, within a session when one was given.
    pub fn legacy(session: Option<&str>, id: Value, method: &str, params: Value) -> Result<Self> {
        let mut pairs = Vec::new();
        if method != "initialize" {
            pairs.push(("mcp-protocol-version", LEGACY));
        }
        pairs.extend(session.map(|session| ("mcp-session-id", session)));
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Ok(Self { headers: headers(&pairs)?, body })
    }

    /// A request of the modern era, complete with `_meta` and the headers that mirror the body.
    pub fn modern(id: Value, method: &str, mut params: Value) -> Result<Self> {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "black-box", "version": "1"});
        let name = params["name"].as_str().map(str::to_owned);
        let mut pairs = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        pairs.extend(name.as_deref().map(|name| ("mcp-name", name)));
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Ok(Self { headers: headers(&pairs)?, body })
    }

    /// The same request with a header set, or removed when the value is empty.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        if value.is_empty() {
            self.headers.remove(name);
        } else {
            self.headers.extend(headers(&[(name, value)])?);
        }
        Ok(self)
    }

    fn on(&self, api: &Api, path: &str) -> reqwest::RequestBuilder {
        api.request(Method::POST, path)
            .header("accept", "application/json, text/event-stream")
            .headers(self.headers.clone())
            .json(&self.body)
    }

    /// Sends the request and reads the answer to its end.
    pub async fn send(&self, api: &Api, path: &str) -> Result<Reply> {
        Reply::new(Answer::of(self.on(api, path)).await?)
    }

    /// Sends the request and hands out the answer as it arrives; only for answers that are event streams.
    pub async fn stream(&self, api: &Api, path: &str) -> Result<Events> {
        let response = self.on(api, path).send().await?;
        let kind = header(response.headers(), "content-type").to_owned();
        if !kind.starts_with("text/event-stream") {
            bail!("not an event stream but {} {kind}: {}", response.status(), response.text().await?);
        }
        let headers = response.headers().clone();
        let events = SseStream::from_bytes_stream(Box::pin(response.bytes_stream()));
        let events =
            events.map(|event| event.map_err(|error| anyhow::anyhow!("the stream broke: {error:?}")));
        Ok(Events { headers, events: Box::pin(events) })
    }
}

/// A complete answer: one JSON document, or the messages of an event stream.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status, headers and text.
    pub http: Answer,
    /// Every JSON-RPC message of the answer, in order.
    pub messages: Vec<Value>,
}

impl Reply {
    fn new(http: Answer) -> Result<Self> {
        let kind = http.header("content-type");
        let messages = if kind.starts_with("text/event-stream") {
            // Postern never splits a message over lines: each event has one line of data.
            http.text
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim)
                .filter(|data| !data.is_empty())
                .map(serde_json::from_str)
                .collect::<Result<_, _>>()
                .with_context(|| http.text.clone())?
        } else if http.text.is_empty() {
            Vec::new()
        } else if kind.starts_with("application/json") {
            vec![http.json()?]
        } else {
            Vec::new()
        };
        Ok(Self { http, messages })
    }

    /// The response: the last message, which must have the id of the request.
    pub fn response(&self, id: &Value) -> Result<&Value> {
        let last = self.messages.last().with_context(|| format!("no message in {:?}", self.http))?;
        ensure!(last["jsonrpc"] == "2.0", "not JSON-RPC 2.0: {last}");
        ensure!(&last["id"] == id, "the id is {} where {id} was asked: {last}", last["id"]);
        Ok(last)
    }

    /// The result of a successful response.
    pub fn result(&self, id: &Value) -> Result<&Value> {
        let response = self.response(id)?;
        ensure!(self.http.status == 200, "status {} with {response}", self.http.status);
        response.get("result").with_context(|| format!("no result: {response}"))
    }

    /// The JSON-RPC error of a failed response.
    pub fn error(&self, id: &Value) -> Result<&Value> {
        let response = self.response(id)?;
        response.get("error").with_context(|| format!("no error: {response}"))
    }

    /// The messages before the response.
    pub fn notifications(&self) -> &[Value] {
        self.messages.split_last().map_or(&[], |(_, before)| before)
    }
}

/// An event stream as it arrives.
pub struct Events {
    /// The header fields of the response.
    pub headers: HeaderMap,
    events: Pin<Box<dyn Stream<Item = Result<Sse>> + Send>>,
}

impl Events {
    /// The next JSON-RPC message; `None` at the end of the stream. Comments and empty events are passed over.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        self.next_within(Duration::from_secs(20)).await
    }

    /// Like [`next`](Self::next), with `limit` as the longest time for one event.
    pub async fn next_within(&mut self, limit: Duration) -> Result<Option<Value>> {
        loop {
            let event = tokio::time::timeout(limit, self.events.next())
                .await
                .with_context(|| format!("nothing arrived within {limit:?}"))?;
            match event {
                None => return Ok(None),
                Some(event) => match event?.data {
                    Some(data) if !data.trim().is_empty() => {
                        return serde_json::from_str(&data).map(Some).with_context(|| data.clone());
                    }
                    _ => {}
                },
            }
        }
    }

    /// The next message; an error at the end of the stream.
    pub async fn message(&mut self) -> Result<Value> {
        self.next().await?.context("the stream ended too early")
    }
}

/// The text of a tool result's first content block.
pub fn text(result: &Value) -> &str {
    result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default()
}

/// Opens a legacy session: `initialize` and `notifications/initialized`. Returns the session id, if one was minted,
/// and the result of `initialize`.
pub async fn initialize(api: &Api, path: &str) -> Result<(Option<String>, Value)> {
    let params = json!({
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "black-box", "version": "1"},
    });
    let reply = Request::legacy(None, json!(0), "initialize", params)?.send(api, path).await?;
    let result = reply.result(&json!(0))?.clone();
    let session = Some(reply.http.header("mcp-session-id").to_owned()).filter(|session| !session.is_empty());
    let mut initialized =
        Request::legacy(session.as_deref(), json!(0), "notifications/initialized", json!({}))?;
    if let Some(body) = initialized.body.as_object_mut() {
        body.remove("id");
        body.remove("params");
    }
    let accepted = initialized.send(api, path).await?;
    ensure!(accepted.http.status == 202, "notifications/initialized: {:?}", accepted.http);
    Ok((session, result))
}
