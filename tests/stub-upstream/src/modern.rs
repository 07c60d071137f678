//! The modern era: 2026-07-28, stateless, every request validated against its headers and its `_meta`.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    LEGACY_VERSION, MODERN_VERSION,
    body::{self, Body},
    endpoint::{Endpoint, Era, text},
    message::{self, Message, RpcError},
    state::State,
    tools,
};

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";
const HEADER_MISMATCH: i64 = -32020;
const UNSUPPORTED_VERSION: i64 = -32022;

type Refusal = (StatusCode, RpcError);

/// Whether a message to a dual-era endpoint belongs to the modern era: the body decides. A message without a claim
/// whose header names a modern revision belongs there too, to be refused.
pub(crate) fn claims(headers: &HeaderMap, message: &Message) -> bool {
    match message {
        Message::Request { params, .. } if meta(params, VERSION_KEY).is_some() => true,
        Message::Request { method, .. } if method == "initialize" => false,
        _ => text(headers, "mcp-protocol-version").is_some_and(|version| version > LEGACY_VERSION),
    }
}

/// Answers a POST.
pub(crate) async fn post(
    state: &State,
    endpoint: &Endpoint,
    headers: &HeaderMap,
    message: Message,
) -> Response<Body> {
    let (id, method, params) = match message {
        Message::Request { id, method, params } => (id, method, params),
        Message::Notification => return body::empty(StatusCode::ACCEPTED),
        Message::Response => {
            let error = RpcError::new(-32600, "This revision has no client responses");
            return body::json(StatusCode::BAD_REQUEST, &error.answer(&Value::Null));
        }
    };
    let refused = validate(state, headers, &method, &params);
    if let Err((status, error)) = refused {
        return body::json(status, &error.answer(&id));
    }
    match method.as_str() {
        "server/discover" => {
            let result = json!({
                "supportedVersions": [MODERN_VERSION],
                "capabilities": {"tools": {}},
                "instructions": "A stub for tests.",
                "ttlMs": 0,
                "cacheScope": "private",
            });
            endpoint.reply(StatusCode::OK, &message::result(&id, &complete(result)))
        }
        "tools/list" => {
            let message = match state.tools().page(endpoint.tools, state.options.page_size, &params) {
                Ok(mut page) => {
                    insert(&mut page, "ttlMs", json!(0));
                    insert(&mut page, "cacheScope", json!("private"));
                    message::result(&id, &complete(page))
                }
                Err(error) => error.answer(&id),
            };
            endpoint.reply(StatusCode::OK, &message)
        }
        "tools/call" => tools::call(state, endpoint, Era::Modern, &id, &params).await,
        _ => body::json(StatusCode::NOT_FOUND, &RpcError::new(-32601, "Method not found").answer(&id)),
    }
}

/// Adds the members that every modern result carries.
pub(crate) fn complete(mut result: Value) -> Value {
    insert(&mut result, "resultType", json!("complete"));
    insert(&mut result, "_meta", json!({SERVER_INFO_KEY: tools::server_info()}));
    result
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.into(), value);
    }
}

fn meta<'p>(params: &'p Value, key: &str) -> Option<&'p Value> {
    params.get("_meta")?.get(key)
}

/// Checks the envelope, then the headers against the envelope, then the version.
fn validate(state: &State, headers: &HeaderMap, method: &str, params: &Value) -> Result<(), Refusal> {
    let bad = |code, text: String| (StatusCode::BAD_REQUEST, RpcError::new(code, text));
    let unsupported = |requested: &Value| {
        let data = json!({"supported": [MODERN_VERSION], "requested": requested});
        let (status, error) = bad(UNSUPPORTED_VERSION, "Unsupported protocol version".into());
        (status, error.with_data(data))
    };
    let Some(claimed) = meta(params, VERSION_KEY) else {
        // A legacy client is told which revisions the endpoint speaks.
        return Err(match params.get("protocolVersion") {
            Some(requested) if method == "initialize" => unsupported(requested),
            _ => bad(-32602, format!("params._meta lacks {VERSION_KEY}")),
        });
    };
    let Some(version) = claimed.as_str() else {
        return Err(bad(-32602, format!("{VERSION_KEY} must be a string")));
    };
    if !meta(params, CAPABILITIES_KEY).is_some_and(Value::is_object) {
        return Err(bad(-32602, format!("params._meta lacks {CAPABILITIES_KEY}, an object")));
    }
    let equal = |name: &str, wanted: &str| match text(headers, name) {
        None => Err(bad(HEADER_MISMATCH, format!("{name} is missing"))),
        Some(value) if decode(value).as_deref() != Some(wanted) => {
            Err(bad(HEADER_MISMATCH, format!("{name} differs from the body")))
        }
        Some(_) => Ok(()),
    };
    equal("mcp-protocol-version", version)?;
    if version != MODERN_VERSION {
        return Err(unsupported(claimed));
    }
    equal("mcp-method", method)?;
    if let Some(name) = match method {
        "tools/call" | "prompts/get" => params.get("name"),
        "resources/read" => params.get("uri"),
        _ => None,
    } {
        equal("mcp-name", name.as_str().unwrap_or_default())?;
    }
    if method == "tools/call" {
        mirrored(state, headers, params).map_err(|why| bad(HEADER_MISMATCH, why))?;
    }
    Ok(())
}

/// Checks that every argument annotated with `x-mcp-header` is mirrored by its header.
fn mirrored(state: &State, headers: &HeaderMap, params: &Value) -> Result<(), String> {
    let none = Map::new();
    let arguments = params.get("arguments").and_then(Value::as_object).unwrap_or(&none);
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    for (argument, header) in state.tools().mirrored_headers(name) {
        let header = format!("mcp-param-{header}");
        let given = text(headers, &header).map(|value| decode(value).ok_or(format!("{header} is malformed")));
        let wanted = arguments.get(argument).and_then(Value::as_str);
        if given.transpose()?.as_deref() != wanted {
            return Err(format!("{header} differs from the argument {argument}"));
        }
    }
    Ok(())
}

/// The text of a header value: `=?base64?…?=` is decoded.
fn decode(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(BASE64.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}
