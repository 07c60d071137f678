//! The targets of the protocol: JSON-RPC messages from agents and from upstreams, event streams, and the values of MCP's
//! headers. Each takes any bytes that a peer could send, and panics when the code and a second, plainer reading of the
//! same bytes disagree.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp::bridge::{Bridge, Relay};
use mcp::era::{Inbound, LONGEST_BATCH, classify};
use mcp::headers::{METHOD, NAME, PARAM_PREFIX, PROTOCOL_VERSION, ParamHeader, decode_value, encode_value};
use mcp::message::{MOST_MEMBERS, Message, RawObject, raw};
use mcp::{Era, MODERN, meta, sse};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Classifies a request of an agent, and reads its body as an upstream's answer, too. The text up to the first empty line
/// has the headers, one on a line.
pub fn envelope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (head, body) = text.split_once("\n\n").unwrap_or(("", text));
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    check_object(body);
    check_classified(&headers, body);
    for agent in [Era::Legacy, Era::Modern] {
        check_bridge(agent, body);
    }
}

/// A raw object is read if no key stands there twice and there are not too many; it keeps the members and their order.
fn check_object(text: &str) {
    let keys = keys(text);
    let is_readable = keys.as_ref().is_some_and(|keys| {
        keys.len() <= MOST_MEMBERS && keys.iter().collect::<BTreeSet<_>>().len() == keys.len()
    });
    let object = RawObject::parse(text);
    assert_eq!(object.is_some(), is_readable, "{text:?}");
    if let (Some(object), Some(keys)) = (object, keys) {
        assert!(object.iter().map(|(key, _)| key).eq(keys.iter().map(String::as_str)), "{text:?}");
        let again = object.to_raw();
        let same = RawObject::parse(again.get()).expect("what was written can be read");
        assert_eq!(same.to_raw().get(), again.get());
    }
}

fn check_classified(headers: &HeaderMap, body: &str) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let version = header(PROTOCOL_VERSION);
    match classify(headers, body) {
        Ok(Inbound::LegacyBatch(items)) => {
            assert!((1..=LONGEST_BATCH).contains(&items.len()) && version.is_none_or(|v| v == "2025-03-26"));
        }
        Ok(Inbound::Legacy(message)) => {
            check_message(&message, body);
            assert!(message.is_response() || version.is_none_or(|version| version < MODERN), "{body:?}");
            assert!(message.is_response() || revision(&message).is_none(), "{body:?}");
        }
        Ok(Inbound::Modern(message)) => {
            check_message(&message, body);
            assert_eq!((version, revision(&message).as_deref()), (Some(MODERN), Some(MODERN)), "{body:?}");
            let method = message.method.as_deref().expect("a modern message has a method");
            if message.id.is_none() {
                return;
            }
            assert_eq!(header(METHOD), Some(method));
            let key = match method {
                "tools/call" | "prompts/get" => "name",
                "resources/read" => "uri",
                _ => return,
            };
            let named = message.params.and_then(|params| RawObject::parse(params.get())?.text(key));
            assert_eq!(header(NAME).map(|value| decode_value(value).expect("checked")), named, "{body:?}");
        }
        Err(error) => {
            assert_eq!(error.status, StatusCode::BAD_REQUEST, "{body:?}");
            let answer = error.to_json();
            let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
            assert!(answer["error"]["code"].is_i64() && answer["error"]["message"].is_string());
            let id = &answer["id"];
            assert!(id.is_null() || id.is_string() || id.is_number(), "{id}");
            let asked = serde_json::from_str::<Value>(body).ok();
            assert!(id.is_null() || asked.is_none_or(|asked| asked["id"] == *id), "{body:?}");
        }
    }
}

/// A message has the members of its text. A text that is nested too deeply for a tree of values is not compared.
fn check_message(message: &Message<'_>, text: &str) {
    assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text:?} is no JSON");
    let Ok(whole) = serde_json::from_str::<Value>(text) else { return };
    assert_eq!(whole["jsonrpc"], "2.0");
    assert_eq!(message.method.as_deref(), whole["method"].as_str(), "{text:?}");
    for (read, name) in
        [(message.id, "id"), (message.params, "params"), (message.result, "result"), (message.error, "error")]
    {
        let read = read.map(|raw| serde_json::from_str::<Value>(raw.get()).expect("a part of a value"));
        assert_eq!(read.as_ref(), whole.get(name), "{name} of {text:?}");
    }
    assert!(message.id.is_none_or(|id| {
        let id: Value = serde_json::from_str(id.get()).expect("an id");
        id.is_string() || id.is_number()
    }));
}

/// The protocol version in `params._meta`.
fn revision(message: &Message<'_>) -> Option<String> {
    let params: Value = serde_json::from_str(message.params?.get()).ok()?;
    Some(params.get("_meta")?.get(meta::PROTOCOL_VERSION)?.as_str()?.to_owned())
}

/// Whatever an upstream answers, the agent gets one response to its own request, in its own era.
fn check_bridge(agent: Era, text: &str) {
    let (agent_id, upstream_id) = (raw(&"agent"), raw(&7));
    let bridge = Bridge { agent, agent_id, upstream_id, logs: true, slug: "up".to_owned() };
    let answer = bridge.json(text);
    check_answer(agent, &answer.json);
    match bridge.relay(text) {
        Relay::Final(same) => assert_eq!(same.json, answer.json),
        Relay::Forward(forwarded) => assert_eq!(forwarded, text),
        Relay::Decline(_) | Relay::Drop => {}
    }
}

fn check_answer(agent: Era, answer: &str) {
    let message = Message::parse(answer).expect("an agent gets a message");
    assert_eq!(message.id.map(RawValue::get), Some("\"agent\""), "{answer:?}");
    let Some(result) = message.result else {
        assert!(message.error.is_some(), "{answer:?}");
        return;
    };
    let result = RawObject::parse(result.get()).expect("an agent gets an object");
    let meta = result.get("_meta").and_then(|meta| RawObject::parse(meta.get())).unwrap_or_default();
    match agent {
        Era::Modern => {
            assert!(result.get("resultType").is_some(), "{answer:?}");
            assert_eq!(meta.get(meta::SERVER_INFO).map(RawValue::get), Some(mcp::implementation().get()));
        }
        Era::Legacy => {
            for key in ["resultType", "ttlMs", "cacheScope"] {
                assert!(result.get(key).is_none(), "{answer:?}");
            }
            assert!(meta.iter().all(|(key, _)| !key.starts_with(meta::PREFIX)), "{answer:?}");
        }
    }
}

/// The keys of an object in order, also those that stand there twice; `None` if the text is no object.
fn keys(text: &str) -> Option<Vec<String>> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let keys = deserializer.deserialize_map(Keys).ok()?;
    deserializer.end().ok().map(|()| keys)
}

/// Reads an event stream in chunks, whose length the first byte says, and compares the events with those of a plain
/// reading of the whole. Reads back what is written for the same text.
pub fn events(data: &[u8]) {
    let Some((&length, body)) = data.split_first() else { return };
    let read = read_events(body.chunks(usize::from(length).max(1)));
    assert_eq!(read, plain_events(body), "{:?}", String::from_utf8_lossy(body));
    if let Ok(text) = std::str::from_utf8(body) {
        let written = sse::encode(text);
        let normal = text.replace("\r\n", "\n").replace('\r', "\n");
        let expected =
            if normal.is_empty() { Vec::new() } else { vec![(Some("message".to_owned()), normal)] };
        assert_eq!(read_events(written.chunks(usize::from(length).max(1))), (expected, true));
    }
}

/// Name and data of the events before the first defect, and whether there is none.
type Events = (Vec<(Option<String>, String)>, bool);

fn read_events<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Events {
    let chunks: Vec<_> = chunks.map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let all = sse::named_events(stream::iter(chunks).boxed_local()).collect::<Vec<_>>();
    let all = all.now_or_never().expect("nothing to wait for");
    let is_whole = all.iter().all(Result::is_ok);
    (all.into_iter().map_while(Result::ok).collect(), is_whole)
}

/// Reads events as WHATWG HTML §9.2.6 describes it, except that a value that is not UTF-8 ends the stream.
fn plain_events(body: &[u8]) -> Events {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let mut events = Vec::new();
    let (mut name, mut data) = (None, None::<String>);
    let mut rest = body;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        if line.is_empty() {
            let name = name.take();
            events.extend(data.take().filter(|data| !data.is_empty()).map(|data| (name, data)));
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        if !matches!(field, b"event" | b"data" | b"id" | b"retry") || field == b"id" && value.contains(&0) {
            continue;
        }
        let Ok(value) = std::str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)) else {
            return (events, false);
        };
        match field {
            b"event" => name = Some(value.to_owned()),
            b"data" => data = Some(data.map_or_else(|| value.to_owned(), |data| format!("{data}\n{value}"))),
            _ => {}
        }
    }
    (events, true)
}

/// Encodes any text as the value of a header and reads it back; reads the text as such a value; reads it as a schema that
/// has arguments repeated in headers.
pub fn header(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let encoded = encode_value(text);
    assert!(HeaderValue::from_str(&encoded).is_ok(), "{encoded:?}");
    assert_eq!(encoded.trim(), encoded, "white space around a value does not arrive");
    assert_eq!(decode_value(&encoded).as_deref(), Some(text));
    let marked = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match (marked, decode_value(text)) {
        (Some(inner), Some(decoded)) => assert_eq!(STANDARD.encode(decoded), inner),
        (Some(inner), None) => {
            assert!(
                STANDARD.decode(inner).map_or(true, |bytes| String::from_utf8(bytes).is_err()),
                "{text:?}"
            );
        }
        (None, decoded) => assert_eq!(decoded.as_deref(), Some(text)),
    }
    if let Ok(schema) = serde_json::from_str::<Value>(text) {
        check_schema(&schema);
    }
}

fn check_schema(schema: &Value) {
    let Some(found) = ParamHeader::collect(schema) else { return };
    let mut names = BTreeSet::new();
    for param in &found {
        assert!(names.insert(param.header.to_ascii_lowercase()), "{} stands there twice", param.header);
        let name = format!("{PARAM_PREFIX}{}", param.header);
        assert!(HeaderName::try_from(&name).is_ok(), "{name:?}");
        let place = param.path.iter().try_fold(schema, |schema, key| schema.get("properties")?.get(key));
        let place = place.expect("a path of properties");
        assert_eq!(place.get("x-mcp-header").and_then(Value::as_str), Some(param.header.as_str()));
        // Any value can be an argument.
        if let Some(value) = param.value(schema) {
            assert!(HeaderValue::from_str(&encode_value(&value)).is_ok());
        }
    }
    assert!(found.len() <= 64, "{}", found.len());
}
