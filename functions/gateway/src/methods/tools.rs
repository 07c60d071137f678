//! `tools/list` and `tools/call`.
//!
//! A list comes from the stored catalogue. The steps of a call: (1) its parameters are read; (2) policy authorizes it
//! by the tool's name; (3) the tool is looked up; (4) the call is passed on, or answered if the tool is `connect`. A tool
//! that does not exist and one that the caller may not use get the same answer: -32602 "Unknown tool".

use std::rc::Rc;

use http::{HeaderMap, StatusCode};
use kernel::memory::FRESH;
use kernel::{Code, Result};
use mcp::headers::{PARAM_PREFIX, decode_value};
use mcp::message::{Message, PARAMS_RULE, RawObject, RpcError};
use mcp::{Era, implementation, meta};
use postern_core::catalogue;
use postern_core::model::target::Target;
use postern_core::policy::authorize;
use postern_core::store::targets::{self, Connectable};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::audit::Audit;
use crate::context::Context;
use crate::relay::{Call, connect, pass_on};
use crate::reply::Reply;

/// How long an agent may cache a list, in milliseconds: as long as an instance caches a page of the catalogue.
const LIST_TTL_MS: u128 = FRESH.as_millis();

/// Answers `tools/list`.
pub(super) async fn list(context: &Context<'_>, message: &Message<'_>, id: &RawValue) -> Result<Reply> {
    let Some(cursor) = cursor(message.params) else {
        return Ok(RpcError::invalid_params("params.cursor must be a string").with_id(Some(id)).into());
    };
    let page = match catalogue::list(context.platform, context.agent.caller, context.scope, cursor).await {
        Ok(page) => page,
        Err(error) if error.code == Code::Invalid => {
            return Ok(RpcError::invalid_params(error.message).with_id(Some(id)).into());
        }
        Err(error) => return Err(error),
    };
    let mut json = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":{}"#, id.get(), page.tools);
    if let Some(next) = &page.next_cursor {
        // A cursor is base64url: none of its characters needs escaping.
        json.push_str(",\"nextCursor\":\"");
        json.push_str(next);
        json.push('"');
    }
    if context.agent.era == Era::Modern {
        json.push_str(&modern_tail());
    }
    json.push_str("}}");
    Ok(Reply::Message { status: StatusCode::OK, json, session_id: None })
}

/// Returns `params.cursor`: `Some(None)` when absent, `None` when the parameters or the cursor are of the wrong type.
#[allow(clippy::option_option)] // absent and wrong differ
fn cursor(params: Option<&RawValue>) -> Option<Option<String>> {
    let Some(params) = params else { return Some(None) };
    match RawObject::parse(params.get())?.get("cursor") {
        None => Some(None),
        Some(cursor) => serde_json::from_str(cursor.get()).ok().map(Some),
    }
}

/// Returns the members that a list result has since 2026-07-28 as JSON text, with a comma in front.
fn modern_tail() -> String {
    format!(
        r#","resultType":"complete","ttlMs":{LIST_TTL_MS},"cacheScope":"private","_meta":{{"{}":{}}}"#,
        meta::SERVER_INFO,
        implementation().get()
    )
}

/// Answers `tools/call`.
pub(super) async fn call(context: &Context<'_>, message: &Message<'_>, id: &RawValue) -> Result<Reply> {
    let refuse = |error: RpcError| Ok(error.with_id(Some(id)).into());
    // (1)
    let Parameters { params, name } = match parameters(message) {
        Ok(read) => read,
        Err(error) => return refuse(error),
    };
    let arguments = params.get("arguments");
    // (2), (3)
    let unknown = || RpcError::invalid_params(format!("Unknown tool: {name}"));
    let place = context.scope.resolve(&name);
    // An audit row names the tool as `POST /mcp` shows it, whichever endpoint was called.
    let exposed = place.map_or_else(|| name.clone(), |(slug, tool)| format!("{slug}__{tool}"));
    let audit = Audit::begin(context, &exposed, place.map(|(slug, _)| slug), arguments)?;
    let Some((slug, tool)) = place else {
        audit.finish(false, Some("unknown tool".to_owned()), 0);
        return refuse(unknown());
    };
    let persona = context.agent.caller.persona.as_deref();
    let decision = authorize(persona, slug, tool);
    if !decision.allowed {
        let persona = persona.map_or("no persona", |persona| persona.name.as_str());
        audit.denied(format!("denied by {persona}: {:?} {}", decision.source, decision.matched_pattern));
        return refuse(unknown());
    }
    let target = match find(context, slug, tool, &audit).await? {
        Some(Found::Tool(target)) => target,
        Some(Found::Connect(integration)) => {
            return connect::answer(context, id, &params, &integration, &audit);
        }
        None => return refuse(unknown()),
    };
    let mirrored = match mirrored(&target, context.agent.era, context.headers, arguments) {
        Ok(mirrored) => mirrored,
        Err(error) => {
            audit.finish(false, Some(error.message.clone().into_owned()), 0);
            return refuse(error);
        }
    };
    // (4)
    pass_on(context, Call { id, target, params, mirrored }, audit).await
}

/// The parameters of a call.
struct Parameters<'a> {
    params: RawObject<'a>,
    /// The tool's name, as the endpoint shows it.
    name: String,
}

fn parameters<'a>(message: &Message<'a>) -> Result<Parameters<'a>, RpcError> {
    let params = message.params.and_then(|params| RawObject::parse(params.get()));
    let params = params.ok_or_else(|| RpcError::invalid_params(PARAMS_RULE))?;
    let name = params.text("name").ok_or_else(|| RpcError::invalid_params("params.name must be a string"))?;
    if params.get("arguments").is_some_and(|arguments| !arguments.get().starts_with('{')) {
        return Err(RpcError::invalid_params("params.arguments must be an object"));
    }
    Ok(Parameters { params, name })
}

/// What a tool's name leads to.
enum Found {
    /// A tool of an upstream.
    Tool(Rc<Target>),
    /// The tool `connect` of this integration.
    Connect(Connectable),
}

async fn find(context: &Context<'_>, slug: &str, tool: &str, audit: &Audit) -> Result<Option<Found>> {
    let owner = context.agent.caller.subject.clone();
    let key = targets::Key { owner, slug: slug.to_owned(), tool: tool.to_owned() };
    let found = match targets::find(context.platform, key).await {
        Ok(Some(target)) => Ok(Some(Found::Tool(target))),
        Ok(None) => connect::find(context, slug, tool).await.map(|found| found.map(Found::Connect)),
        Err(error) => Err(error),
    };
    match &found {
        Ok(Some(_)) => {}
        Ok(None) => audit.finish(false, Some("unknown tool".to_owned()), 0),
        Err(error) => audit.finish(false, Some(error.message.clone().into_owned()), 0),
    }
    found
}

/// Returns the arguments that the upstream's request repeats in headers, see [`Call::mirrored`]. A modern agent has
/// sent the same headers already: one that differs from the argument is refused.
fn mirrored(
    target: &Target,
    agent: Era,
    headers: &HeaderMap,
    arguments: Option<&RawValue>,
) -> Result<Vec<(String, String)>, RpcError> {
    if target.param_headers.is_empty() {
        return Ok(Vec::new());
    }
    let arguments: Value =
        arguments.and_then(|arguments| serde_json::from_str(arguments.get()).ok()).unwrap_or_default();
    let mut mirrored = Vec::new();
    for param in &target.param_headers {
        let expected = param.value(&arguments);
        if agent == Era::Modern {
            let given = headers.get(format!("{PARAM_PREFIX}{}", param.header.to_ascii_lowercase()));
            let given = given.map(|value| value.to_str().ok().and_then(|value| decode_value(value.trim())));
            if given != expected.clone().map(Some) {
                let message = format!("the Mcp-Param-{} header must equal the argument", param.header);
                return Err(RpcError::header_mismatch(message));
            }
        }
        mirrored.extend(expected.map(|value| (param.header.clone(), value)));
    }
    Ok(mirrored)
}
