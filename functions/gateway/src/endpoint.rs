//! One MCP endpoint: from the HTTP request to the method's answer.
//!
//! (1) The scope is settled; (2) the body is classified by era; (3) a legacy session is checked against its caller;
//! (4) the method is dispatched; (5) the answer takes its HTTP form.

use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;
use postern_core::auth::Caller;
use postern_core::policy::authorize_connection;
use web::dialect::JsonRpcError;
use web::request::with_type;
use web::{Request, Response};
use postern_core::catalogue;
use postern_core::catalogue::Scope;
use mcp::era::{Inbound, classify};
use mcp::message::{Message, RawObject, RpcError, code, raw};
use crate::session::AgentSession;
use mcp::{Era, LATEST_LEGACY, LEGACY, MODERN, headers, implementation, meta};
use postern_core::model::integration::IntegrationId;
use kernel::{Code, Error, Result};
use postern_core::{Platform, store};

use crate::call;
use crate::connect::has_url_elicitation;
use crate::reply::Reply;

/// How long an agent may keep a list, in milliseconds: as long as the instance does.
const LIST_TTL_MS: u128 = kernel::memory::FRESH.as_millis();

/// `POST /mcp`.
#[utoipa::path(
    post,
    path = "/mcp",
    operation_id = "mcp",
    tag = "MCP",
    summary = "The tools of all running integrations",
    description = "An MCP endpoint. Tools are named `<slug>__<tool>`; the caller sees those that its persona allows.",
    request_body(
        content = Value,
        content_type = "application/json",
        description = "A JSON-RPC 2.0 message, or a batch of them, as agents up to 2025-03-26 send."
    ),
    responses(
        (
            status = 200,
            description = "The answer: one JSON-RPC message, or a stream of them whose last one is the response. An agent \
                           up to 2025-11-25 that initializes gets an `MCP-Session-Id`.",
            content((Value = "application/json"), (String = "text/event-stream"))
        ),
        (status = 202, description = "A notification, or a response: nothing to answer."),
        (status = 400, description = "No message of the protocol, or headers that do not fit it.", body = Value, content_type = "application/json"),
        (status = 404, description = "The session is not this caller's, or the method is not known.", body = Value, content_type = "application/json"),
        (status = 406, description = "`Accept` has neither of the two forms.", body = JsonRpcError)
    )
)]
pub(crate) async fn all(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    serve(&Context { platform, caller: &caller, request: &request, scope: Scope::All }).await
}

/// `POST /integrations/{id}/mcp`; 404 for an integration that is not there, not running or not for this caller.
#[utoipa::path(
    post,
    path = "/integrations/{id}/mcp",
    operation_id = "mcpOfOne",
    tag = "MCP",
    summary = "The tools of one integration",
    description = "An MCP endpoint. Tools have their upstream's names; the caller sees those that its persona allows.",
    params(("id" = String, Path, description = "The integration's slug or UUID.")),
    request_body(
        content = Value,
        content_type = "application/json",
        description = "A JSON-RPC 2.0 message, or a batch of them, as agents up to 2025-03-26 send."
    ),
    responses(
        (
            status = 200,
            description = "The answer: one JSON-RPC message, or a stream of them whose last one is the response. An agent \
                           up to 2025-11-25 that initializes gets an `MCP-Session-Id`.",
            content((Value = "application/json"), (String = "text/event-stream"))
        ),
        (status = 202, description = "A notification, or a response: nothing to answer."),
        (status = 400, description = "No message of the protocol, or headers that do not fit it.", body = Value, content_type = "application/json"),
        (
            status = 404,
            description = "The integration is not there, not running or not for this caller; the session is not this \
                           caller's; or the method is not known.",
            body = Value, content_type = "application/json"
        ),
        (status = 406, description = "`Accept` has neither of the two forms.", body = JsonRpcError)
    )
)]
pub(crate) async fn one(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    // (1)
    let slug = store::targets::slug_of(platform, request.text_param("id")).await?;
    let slug = slug
        .filter(|slug| authorize_connection(caller.persona.as_deref(), slug))
        .ok_or_else(IntegrationId::not_found)?;
    let scope = Scope::One(slug.as_ref().to_owned());
    serve(&Context { platform, caller: &caller, request: &request, scope }).await
}

/// What every step needs.
pub(crate) struct Context<'a> {
    pub(crate) platform: &'a Platform,
    pub(crate) caller: &'a Caller,
    pub(crate) request: &'a Request,
    pub(crate) scope: Scope,
}

async fn serve(context: &Context<'_>) -> Result<Response> {
    let takes_events = takes_events(&context.request.headers)?;
    let Ok(body) = std::str::from_utf8(&context.request.body) else {
        let error = RpcError::new(StatusCode::BAD_REQUEST, code::PARSE_ERROR, "the body is not UTF-8");
        return Ok(Reply::from(error).into_response(takes_events).await);
    };
    // (2)
    let reply = match classify(&context.request.headers, body) {
        Err(error) => error.into(),
        Ok(Inbound::Modern(message)) => answered(context, &message, modern(context, &message).await),
        // (3)
        Ok(Inbound::Legacy(_) | Inbound::LegacyBatch(_)) if !session_is_good(context) => {
            RpcError::new(StatusCode::NOT_FOUND, -32001, "session not found: initialize again").into()
        }
        Ok(Inbound::Legacy(message)) => answered(context, &message, legacy(context, &message).await),
        Ok(Inbound::LegacyBatch(items)) => return batch(context, items).await,
    };
    // (5)
    Ok(reply.into_response(takes_events).await)
}

/// Our own failure while answering a message: the agent gets it as the answer to that message, with its id.
fn answered(context: &Context<'_>, message: &Message<'_>, outcome: Result<Reply>) -> Reply {
    outcome.unwrap_or_else(|error| {
        log::error!("{} {error} ({:?})", context.request.id.0, error.internal);
        RpcError::new(StatusCode::OK, code::INTERNAL_ERROR, error.message).with_id(message.id).into()
    })
}

/// Whether the agent takes an event stream; 406 when it takes neither form. An absent header means anything.
fn takes_events(headers: &HeaderMap) -> Result<bool> {
    let mut accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepts.peek().is_none() {
        return Ok(true);
    }
    let ranges: Vec<String> = accepts
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let takes = |wanted: &[&str]| ranges.iter().any(|range| wanted.contains(&range.as_str()));
    match (
        takes(&["text/event-stream", "text/*", "*/*"]),
        takes(&["application/json", "application/*", "*/*"]),
    ) {
        (true, _) => Ok(true),
        (false, true) => Ok(false),
        (false, false) => {
            Err(Error::new(Code::NotAcceptable, "Accept must have application/json and text/event-stream"))
        }
    }
}

/// A session is optional, since it holds nothing that a request needs; one that is sent must be this caller's.
fn session_is_good(context: &Context<'_>) -> bool {
    match context.request.headers.get(headers::SESSION_ID) {
        None => true,
        Some(id) => id
            .to_str()
            .is_ok_and(|id| AgentSession::open(context.platform, &context.caller.subject, id).is_some()),
    }
}

async fn batch(context: &Context<'_>, items: Vec<&RawValue>) -> Result<Response> {
    let mut answers = Vec::new();
    for item in items {
        let reply = match Message::parse(item.get()) {
            Ok(message) => answered(context, &message, legacy(context, &message).await),
            Err(error) => error.into(),
        };
        answers.extend(reply.into_message().await);
    }
    if answers.is_empty() {
        return Ok(Reply::Accepted.into_response(false).await);
    }
    Ok(with_type(StatusCode::OK, "application/json", format!("[{}]", answers.join(","))))
}

/// (4) for agents up to 2025-11-25.
async fn legacy(context: &Context<'_>, message: &Message<'_>) -> Result<Reply> {
    let (Some(method), Some(id)) = (message.method.as_deref(), message.id) else {
        return Ok(Reply::Accepted);
    };
    match method {
        "initialize" => initialize(context, id, message.params),
        "ping" => Ok(Reply::result(id, &raw(&json!({})))),
        "tools/list" => list(context, Era::Legacy, message, id).await,
        "tools/call" => call::call(context, Era::Legacy, message, id).await,
        _ => Ok(unknown_method(StatusCode::OK, id)),
    }
}

/// (4) for agents of 2026-07-28.
async fn modern(context: &Context<'_>, message: &Message<'_>) -> Result<Reply> {
    let (Some(method), Some(id)) = (message.method.as_deref(), message.id) else {
        return Ok(Reply::Accepted);
    };
    match method {
        "server/discover" => Ok(Reply::result(id, &discover())),
        "tools/list" => list(context, Era::Modern, message, id).await,
        "tools/call" => call::call(context, Era::Modern, message, id).await,
        _ => Ok(unknown_method(StatusCode::NOT_FOUND, id)),
    }
}

fn unknown_method(status: StatusCode, id: &RawValue) -> Reply {
    RpcError::new(status, code::METHOD_NOT_FOUND, "method not found").with_id(Some(id)).into()
}

fn initialize(context: &Context<'_>, id: &RawValue, params: Option<&RawValue>) -> Result<Reply> {
    let wanted = params.and_then(|params| RawObject::parse(params.get())?.text("protocolVersion"));
    let Some(wanted) = wanted else {
        return Ok(RpcError::invalid_params("initialize needs a protocolVersion").with_id(Some(id)).into());
    };
    let version = LEGACY.into_iter().find(|known| *known == wanted).unwrap_or(LATEST_LEGACY);
    let capabilities =
        params.and_then(|params| RawObject::parse(params.get())?.get("capabilities").map(ToOwned::to_owned));
    let url_elicitation = capabilities.as_deref().is_some_and(has_url_elicitation);
    let session = AgentSession::new(version, url_elicitation, context.platform.now());
    let result = raw(&json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": implementation(),
    }));
    match Reply::result(id, &result) {
        Reply::Message { status, json, .. } => {
            let session_id = Some(session.seal(context.platform, &context.caller.subject)?);
            Ok(Reply::Message { status, json, session_id })
        }
        other => Ok(other),
    }
}

fn discover() -> Box<RawValue> {
    raw(&json!({
        "resultType": "complete",
        "supportedVersions": [MODERN],
        "capabilities": { "tools": {} },
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": { meta::SERVER_INFO: implementation() },
    }))
}

/// `params.cursor`: `Some(None)` when absent, `None` when the parameters or the cursor are of the wrong type.
#[allow(clippy::option_option)] // absent and wrong differ
fn cursor(params: Option<&RawValue>) -> Option<Option<String>> {
    let Some(params) = params else { return Some(None) };
    match RawObject::parse(params.get())?.get("cursor") {
        None => Some(None),
        Some(cursor) => serde_json::from_str(cursor.get()).ok().map(Some),
    }
}

async fn list(context: &Context<'_>, era: Era, message: &Message<'_>, id: &RawValue) -> Result<Reply> {
    let Some(cursor) = cursor(message.params) else {
        return Ok(RpcError::invalid_params("params.cursor must be a string").with_id(Some(id)).into());
    };
    let page = match catalogue::list(context.platform, context.caller, &context.scope, cursor).await {
        Ok(page) => page,
        Err(error) if error.code == Code::Invalid => {
            return Ok(RpcError::invalid_params(error.message).with_id(Some(id)).into());
        }
        Err(error) => return Err(error),
    };
    let mut json = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":{}"#, id.get(), page.tools);
    if let Some(next) = &page.next_cursor {
        // base64url: nothing in it needs escaping.
        json.push_str(",\"nextCursor\":\"");
        json.push_str(next);
        json.push('"');
    }
    if era == Era::Modern {
        json.push_str(&modern_tail());
    }
    json.push_str("}}");
    Ok(Reply::Message { status: StatusCode::OK, json, session_id: None })
}

/// The members that a list result has since 2026-07-28, with a comma in front.
fn modern_tail() -> String {
    format!(
        r#","resultType":"complete","ttlMs":{LIST_TTL_MS},"cacheScope":"private","_meta":{{"{}":{}}}"#,
        meta::SERVER_INFO,
        implementation().get()
    )
}
