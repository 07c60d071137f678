//! Classifies messages by era (MCP versioning, 2026-07-28): `Legacy` up to 2025-11-25, with a handshake, or `Modern`
//! from 2026-07-28 on, stateless. One endpoint serves both.
//!
//! The body decides the era, and the headers must then agree with the body: a header that a proxy removed or added must
//! never change the era. The order of the checks: shape, era, envelope (`params._meta`), revision, standard headers.

use std::str::FromStr;

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;

use super::headers::{METHOD, NAME, PROTOCOL_VERSION, decode_value};
use super::message::{Message, PARAMS_RULE, RawArray, RawObject, RpcError, code};
use super::{LEGACY, MODERN, meta};

/// The era of MCP that a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// Up to 2025-11-25: `initialize` handshake, sessions.
    Legacy,
    /// From 2026-07-28 on: stateless, with `_meta` in each request.
    Modern,
}

impl Era {
    /// Returns the text form that the database stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

impl FromStr for Era {
    type Err = kernel::Error;
    fn from_str(text: &str) -> kernel::Result<Self> {
        match text {
            "legacy" => Ok(Self::Legacy),
            "modern" => Ok(Self::Modern),
            other => Err(kernel::Error::internal(format!("unknown era {other:?}"))),
        }
    }
}

/// The content of a POST body.
#[derive(Debug)]
pub enum Inbound<'a> {
    /// One legacy message.
    Legacy(Message<'a>),
    /// A JSON-RPC batch (2025-03-26 only).
    LegacyBatch(Vec<&'a RawValue>),
    /// One modern message with a valid envelope.
    Modern(Message<'a>),
}

const META_RULE: &str = "params._meta must stand there once, with no key twice and at most 10000 keys";
const VERSION_MISMATCH: &str = "the MCP-Protocol-Version header must equal the version in params._meta";
/// Most messages of a batch.
pub const LONGEST_BATCH: usize = 50;

/// Classifies a POST body by the checks above. The error is the answer to the client.
pub fn classify<'a>(headers: &HeaderMap, body: &'a str) -> Result<Inbound<'a>, RpcError> {
    let claimed = header(headers, PROTOCOL_VERSION);
    if body.trim_start().starts_with('[') {
        return batch(claimed, body);
    }
    let message = Message::parse(body)?;
    let id = message.id;
    classify_message(headers, claimed, message).map_err(|error| error.with_id(id))
}

fn batch<'a>(claimed: Option<&str>, body: &'a str) -> Result<Inbound<'a>, RpcError> {
    let RawArray { elements: items, has_more } = RawArray::parse(body, LONGEST_BATCH).map_err(|_| {
        RpcError::new(StatusCode::BAD_REQUEST, code::PARSE_ERROR, "the body is not valid JSON")
    })?;
    // Only 2025-03-26 has batches; a missing header also means that revision.
    if claimed.is_some_and(|version| version != "2025-03-26") {
        return Err(RpcError::invalid_request("this protocol version has no batches"));
    }
    if items.is_empty() || has_more {
        return Err(RpcError::invalid_request(format!("a batch must have 1 to {LONGEST_BATCH} messages")));
    }
    for item in &items {
        if Message::parse(item.get()).is_ok_and(|message| !matches!(envelope(&message), Ok(None))) {
            return Err(RpcError::invalid_request("this protocol version has no batches"));
        }
    }
    Ok(Inbound::LegacyBatch(items))
}

fn classify_message<'a>(
    headers: &HeaderMap,
    claimed: Option<&str>,
    message: Message<'a>,
) -> Result<Inbound<'a>, RpcError> {
    if message.is_response() {
        return Ok(Inbound::Legacy(message));
    }
    // Revisions are ISO 8601 dates, so the order of their texts is the order of the dates.
    let header_is_modern = claimed.is_some_and(|version| version >= MODERN);
    if let Some(envelope) = envelope(&message)? {
        check_envelope(&envelope, claimed)?;
        check_headers(headers, claimed, &message)?;
        return Ok(Inbound::Modern(message));
    }
    if header_is_modern {
        if message.method.as_deref() == Some("initialize") {
            return Err(RpcError::header_mismatch("initialize belongs to earlier protocol versions"));
        }
        let text =
            format!("params._meta must have {} and {}", meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES);
        return Err(bad_params(text));
    }
    match claimed {
        Some(version) if !LEGACY.contains(&version) => Err(RpcError::invalid_request(format!(
            "unsupported protocol version; supported: {MODERN}, {}",
            LEGACY.join(", ")
        ))),
        _ => Ok(Inbound::Legacy(message)),
    }
}

#[derive(serde::Deserialize)]
struct WithMeta<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

/// Returns `params._meta` if it names a protocol version, which only modern messages do. Fails if the member or a key
/// in it stands there twice: another parser could find another revision.
fn envelope<'a>(message: &Message<'a>) -> Result<Option<RawObject<'a>>, RpcError> {
    let Some(params) = message.params.map(RawValue::get).filter(|params| params.starts_with('{')) else {
        return Ok(None);
    };
    // Most legacy messages do not contain the key at all, and need no parsing. Its characters have no escapes but \u.
    if !params.contains("_meta") && !params.contains("\\u") {
        return Ok(None);
    }
    let ambiguous = || bad_params(META_RULE);
    let params: WithMeta<'a> = serde_json::from_str(params).map_err(|_| ambiguous())?;
    let Some(meta) = params.meta.map(RawValue::get).filter(|meta| meta.starts_with('{')) else {
        return Ok(None);
    };
    let meta = RawObject::parse(meta).ok_or_else(ambiguous)?;
    Ok(meta.get(meta::PROTOCOL_VERSION).is_some().then_some(meta))
}

fn check_envelope(envelope: &RawObject<'_>, claimed: Option<&str>) -> Result<(), RpcError> {
    let bad = |key: &str, what: &str| bad_params(format!("params._meta[\"{key}\"] must be {what}"));
    let Some(version) = envelope.text(meta::PROTOCOL_VERSION) else {
        return Err(bad(meta::PROTOCOL_VERSION, "a string"));
    };
    if !envelope.get(meta::CLIENT_CAPABILITIES).is_some_and(|value| value.get().starts_with('{')) {
        return Err(bad(meta::CLIENT_CAPABILITIES, "an object"));
    }
    // A mismatch is reported before an unknown revision, because the header may name a revision that Postern serves.
    if claimed.is_some_and(|claimed| claimed != version) {
        return Err(RpcError::header_mismatch(VERSION_MISMATCH));
    }
    if version != MODERN {
        let error = RpcError::new(
            StatusCode::BAD_REQUEST,
            code::UNSUPPORTED_PROTOCOL_VERSION,
            "unsupported protocol version",
        );
        return Err(error.with_data(&json!({ "supported": [MODERN], "requested": version })));
    }
    Ok(())
}

/// Checks that the standard headers of a modern request repeat what its body says.
fn check_headers(headers: &HeaderMap, claimed: Option<&str>, message: &Message<'_>) -> Result<(), RpcError> {
    if claimed != Some(MODERN) {
        return Err(RpcError::header_mismatch(VERSION_MISMATCH));
    }
    let Some(method) = message.method.as_deref().filter(|_| message.id.is_some()) else {
        return Ok(());
    };
    if header(headers, METHOD) != Some(method) {
        return Err(RpcError::header_mismatch("the Mcp-Method header must equal the method"));
    }
    let key = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    let params =
        message.params.map(|params| RawObject::parse(params.get()).ok_or_else(|| bad_params(PARAMS_RULE)));
    let expected = params.transpose()?.and_then(|params| params.text(key));
    let given = header(headers, NAME).map(decode_value);
    match (expected, given) {
        // The handler refuses a request without a name, after these checks.
        (None, None) => Ok(()),
        (Some(expected), Some(Some(given))) if expected == given => Ok(()),
        _ => Err(RpcError::header_mismatch(format!("the Mcp-Name header must equal params.{key}"))),
    }
}

/// Refuses parameters that the classification needs: unlike a handler's -32602, with the status 400.
fn bad_params(text: impl Into<Cow<'static, str>>) -> RpcError {
    RpcError::new(StatusCode::BAD_REQUEST, code::INVALID_PARAMS, text)
}

/// Returns a header's text without the white space around it.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::super::message::MOST_MEMBERS;
    use super::*;

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn outcome(pairs: &[(&'static str, &str)], body: &str) -> String {
        match classify(&headers(pairs), body) {
            Ok(Inbound::Legacy(_)) => "legacy".into(),
            Ok(Inbound::LegacyBatch(_)) => "batch".into(),
            Ok(Inbound::Modern(_)) => "modern".into(),
            Err(error) => format!("{} {}", error.status.as_u16(), error.code),
        }
    }

    fn call(params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}"#)
    }

    const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
    const METHOD: (&str, &str) = ("mcp-method", "tools/call");
    const NAME: (&str, &str) = ("mcp-name", "echo");

    #[test]
    fn the_body_decides_the_era_and_the_headers_must_agree() {
        let modern = call(&format!(r#""name":"echo",{META}"#));
        let legacy = call(r#""name":"echo""#);
        for (pairs, body, expected) in [
            (&[VERSION, METHOD, NAME][..], &modern, "modern"),
            (&[], &modern, "400 -32020"),
            (&[METHOD, NAME], &modern, "400 -32020"),
            (&[("mcp-protocol-version", "2025-11-25"), METHOD, NAME], &modern, "400 -32020"),
            (&[VERSION, NAME], &modern, "400 -32020"),
            (&[VERSION, METHOD], &modern, "400 -32020"),
            (&[VERSION, METHOD, ("mcp-name", "other")], &modern, "400 -32020"),
            (&[VERSION, ("mcp-method", "Tools/Call"), NAME], &modern, "400 -32020"),
            (&[VERSION, METHOD, ("mcp-name", "  echo ")], &modern, "modern"),
            (&[VERSION, METHOD, ("mcp-name", "=?base64?ZWNobw==?=")], &modern, "modern"),
            (&[VERSION, METHOD, ("mcp-name", "=?base64?!?=")], &modern, "400 -32020"),
            (&[], &legacy, "legacy"),
            (&[("mcp-protocol-version", "2025-06-18")], &legacy, "legacy"),
            (&[("mcp-protocol-version", "1999-01-01")], &legacy, "400 -32600"),
            (&[VERSION, METHOD, NAME], &legacy, "400 -32602"),
        ] {
            assert_eq!(outcome(pairs, body), expected, "{pairs:?} {body}");
        }
    }

    #[test]
    fn a_malformed_envelope_is_refused_before_the_headers_are_checked() {
        for (meta, expected) in [
            (
                r#""io.modelcontextprotocol/protocolVersion":7,"io.modelcontextprotocol/clientCapabilities":{}"#,
                "400 -32602",
            ),
            (r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#, "400 -32602"),
            (
                r#""io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{}"#,
                "400 -32022",
            ),
        ] {
            assert_eq!(
                outcome(&[], &call(&format!(r#""name":"echo","_meta":{{{meta}}}"#))),
                expected,
                "{meta}"
            );
        }
    }

    #[test]
    fn a_message_whose_revision_is_ambiguous_is_refused() {
        for params in [
            r#""name":"echo","_meta":{"x":1,"io.modelcontextprotocol/protocolVersion":"2026-07-28","x":2}"#,
            r#""name":"echo","_meta":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
        ] {
            assert_eq!(outcome(&[], &call(params)), "400 -32602", "{params}");
        }
        assert!(META_RULE.contains(&format!(" {MOST_MEMBERS} ")));
        // A key is the same with escapes.
        let escaped = r#""name":"echo","\u005fmeta":{"io.modelcontextprotocol/protocolVersion":7}"#;
        assert_eq!(outcome(&[], &call(escaped)), "400 -32602");
    }

    #[test]
    fn a_header_mismatch_is_reported_before_an_unknown_revision() {
        let unknown = call(
            r#""name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{}}"#,
        );
        assert_eq!(outcome(&[VERSION, METHOD, NAME], &unknown), "400 -32020");
        assert_eq!(outcome(&[("mcp-protocol-version", "2099-01-01"), METHOD, NAME], &unknown), "400 -32022");
    }

    #[test]
    fn initialize_is_legacy_unless_it_has_an_envelope_and_a_modern_header_demands_one() {
        let initialize =
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2026-07-28"}}"#;
        assert_eq!(outcome(&[], initialize), "legacy");
        assert_eq!(outcome(&[VERSION], initialize), "400 -32020");
        let enveloped = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{{META}}}}}"#);
        assert_eq!(outcome(&[VERSION, ("mcp-method", "initialize")], &enveloped), "modern");
    }

    #[test]
    fn batches_are_accepted_for_2025_03_26_only() {
        let legacy = call(r#""name":"echo""#);
        let modern = call(&format!(r#""name":"echo",{META}"#));
        assert_eq!(outcome(&[], &format!("[{legacy}]")), "batch");
        assert_eq!(outcome(&[("mcp-protocol-version", "2025-03-26")], &format!("[{legacy}]")), "batch");
        assert_eq!(outcome(&[("mcp-protocol-version", "2025-06-18")], &format!("[{legacy}]")), "400 -32600");
        assert_eq!(outcome(&[], &format!("[{legacy},{modern}]")), "400 -32600");
        assert_eq!(outcome(&[], "[]"), "400 -32600");
        assert_eq!(outcome(&[], "[1"), "400 -32700");
        let longest = vec![legacy.as_str(); LONGEST_BATCH].join(",");
        assert_eq!(outcome(&[], &format!("[{longest}]")), "batch");
        assert_eq!(outcome(&[], &format!("[{longest},{legacy}]")), "400 -32600");
        assert_eq!(outcome(&[], &format!("[{longest},{legacy}")), "400 -32700");
    }

    #[test]
    fn an_error_carries_the_id_of_the_request() {
        let error = classify(&headers(&[VERSION]), &call(r#""name":"echo""#)).unwrap_err();
        assert_eq!(error.id.unwrap().get(), "1");
    }
}
