//! The legacy era: 2025-11-25 and before, with a handshake and sessions.

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    LEGACY_VERSION,
    body::{self, Body},
    endpoint::{CallMode, Endpoint, Era, is_request, text},
    message::{self, Message, RpcError},
    state::State,
    tools,
};

const VERSIONS: [&str; 3] = [LEGACY_VERSION, "2025-06-18", "2025-03-26"];
const SESSION: &str = "mcp-session-id";

/// Answers a POST.
pub(crate) async fn post(
    state: &State,
    endpoint: &Endpoint,
    headers: &HeaderMap,
    message: Message,
) -> Response<Body> {
    let id = match &message {
        Message::Request { id, .. } => id.clone(),
        _ => Value::Null,
    };
    let session = if is_request(&message, "initialize") || endpoint.stateless {
        None
    } else {
        match session(state, headers) {
            Ok(session) => Some(session),
            Err((status, error)) => return body::json(status, &error.answer(&id)),
        }
    };
    if let Some(version) = text(headers, "mcp-protocol-version")
        && !VERSIONS.contains(&version)
        && !is_request(&message, "initialize")
    {
        let error = RpcError::new(-32000, format!("Bad Request: unsupported protocol version {version}"));
        return body::json(StatusCode::BAD_REQUEST, &error.answer(&id));
    }
    if matches!((&message, endpoint.calls), (Message::Response, CallMode::Asks { .. })) {
        return std::future::pending().await;
    }
    let Message::Request { method, params, .. } = message else {
        return body::empty(StatusCode::ACCEPTED);
    };
    match method.as_str() {
        "initialize" => initialize(state, endpoint, &id, &params),
        "ping" => endpoint.reply(StatusCode::OK, &message::result(&id, &json!({}))),
        "tools/list" => {
            let message = match state.tools().page(endpoint.tools, state.options.page_size, &params) {
                Ok(page) => message::result(&id, &page),
                Err(error) => error.answer(&id),
            };
            endpoint.reply(StatusCode::OK, &message)
        }
        "tools/call" => {
            if let Some(session) = session {
                state.count_call(session);
            }
            tools::call(state, endpoint, Era::Legacy, &id, &params).await
        }
        _ => endpoint.reply(StatusCode::OK, &RpcError::new(-32601, "Method not found").answer(&id)),
    }
}

/// Answers a DELETE, which ends the session.
pub(crate) fn delete(state: &State, headers: &HeaderMap) -> Response<Body> {
    match session(state, headers) {
        Ok(session) => {
            state.end_session(session);
            body::empty(StatusCode::OK)
        }
        Err((status, error)) => body::json(status, &error.answer(&Value::Null)),
    }
}

fn session<'h>(state: &State, headers: &'h HeaderMap) -> Result<&'h str, (StatusCode, RpcError)> {
    match text(headers, SESSION) {
        None => Err((
            StatusCode::BAD_REQUEST,
            RpcError::new(-32000, "Bad Request: Mcp-Session-Id header is required"),
        )),
        Some(session) if !state.has_session(session) => {
            Err((StatusCode::NOT_FOUND, RpcError::new(-32001, "Session not found")))
        }
        Some(session) => Ok(session),
    }
}

fn initialize(state: &State, endpoint: &Endpoint, id: &Value, params: &Value) -> Response<Body> {
    let Some(asked) = params.get("protocolVersion").and_then(Value::as_str) else {
        let error = RpcError::new(-32602, "initialize needs params.protocolVersion");
        return endpoint.reply(StatusCode::OK, &error.answer(id));
    };
    let version = if VERSIONS.contains(&asked) { asked } else { LEGACY_VERSION };
    let result = json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}},
        "serverInfo": tools::server_info(),
        "instructions": "A stub for tests.",
    });
    let mut response = endpoint.reply(StatusCode::OK, &message::result(id, &result));
    if !endpoint.stateless
        && let Ok(session) = HeaderValue::from_str(&state.open_session(endpoint.expire))
    {
        response.headers_mut().insert(SESSION, session);
    }
    response
}
