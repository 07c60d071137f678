//! `tools/call`: (1) read the parameters; (2) find the tool; (3) authorize; (4) pass the call on; (5) bridge the answer.
//!
//! A tool that does not exist and one that the caller may not use answer alike: -32602 "Unknown tool". What goes wrong
//! upstream is a tool result with `isError`, so that the model can react to it.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use serde_json::value::RawValue;
use postern_core::policy::authorize;
use mcp::Era;
use mcp::bridge::{Bridge, Final};
use postern_core::client::{Answer, Call, CallError, Client, Reply as Upstream};
use mcp::headers::{PARAM_PREFIX, decode_value};
use mcp::message::{Message, RawObject, RpcError, raw};
use mcp::meta;
use postern_core::model::target::Target;
use postern_core::oauth::refusal::NotReady;
use kernel::ports::Limits;
use postern_core::store::targets;
use kernel::{Code, Result};
use postern_core::Platform;

use crate::audit::Audit;
use crate::connect;
use crate::endpoint::Context;
use crate::exchange::Exchange;
use crate::reply::Reply;

/// Longest call, even while the upstream reports progress.
const LONGEST_CALL: Duration = Duration::from_mins(10);
/// Largest answer in bytes.
const LARGEST_ANSWER: u64 = 10 * 1024 * 1024;

/// The limits of a call.
pub(crate) fn limits(platform: &Platform) -> Limits {
    Limits { idle: platform.settings.upstream_timeout, total: LONGEST_CALL, max_bytes: LARGEST_ANSWER }
}

/// Answers one `tools/call`.
pub(crate) async fn call(
    context: &Context<'_>,
    agent: Era,
    message: &Message<'_>,
    id: &RawValue,
) -> Result<Reply> {
    let refuse = |error: RpcError| Ok(error.with_id(Some(id)).into());
    // (1)
    let Some(params) = message.params.and_then(|params| RawObject::parse(params.get())) else {
        return refuse(RpcError::invalid_params("params must be an object"));
    };
    let Some(exposed) = params.text("name") else {
        return refuse(RpcError::invalid_params("params.name must be a string"));
    };
    let arguments = params.get("arguments");
    if arguments.is_some_and(|arguments| !arguments.get().starts_with('{')) {
        return refuse(RpcError::invalid_params("params.arguments must be an object"));
    }
    // (2), (3)
    let unknown = || RpcError::invalid_params(format!("Unknown tool: {exposed}"));
    let place = context.scope.resolve(&exposed);
    let mut audit =
        Audit::begin(context, &audited_name(context, &exposed), place.map(|(slug, _)| slug), arguments)?;
    let Some((slug, tool)) = place else {
        audit.finish(false, Some("unknown tool".to_owned()), 0);
        return refuse(unknown());
    };
    let decision = authorize(context.caller.persona.as_deref(), slug, tool);
    if !decision.allowed {
        let persona = context.caller.persona.as_ref().map_or("no persona", |persona| persona.name.as_str());
        audit.denied(format!("denied by {persona}: {:?} {}", decision.source, decision.matched_pattern));
        return refuse(unknown());
    }
    let Some(target) = find(context, slug, tool, &mut audit).await? else {
        return refuse(unknown());
    };
    let mirrored = match mirrored(&target, agent, &context.request.headers, arguments) {
        Ok(mirrored) => mirrored,
        Err(error) => {
            audit.finish(false, Some(error.message.clone().into_owned()), 0);
            return refuse(error);
        }
    };
    // (4), (5)
    pass_on(context, agent, id, target, params, mirrored, audit).await
}

/// Audit rows always have the name that the aggregated endpoint shows.
fn audited_name(context: &Context<'_>, exposed: &str) -> String {
    match context.scope.resolve(exposed) {
        Some((slug, tool)) => format!("{slug}__{tool}"),
        None => exposed.to_owned(),
    }
}

async fn find(
    context: &Context<'_>,
    slug: &str,
    tool: &str,
    audit: &mut Audit,
) -> Result<Option<Rc<Target>>> {
    let key =
        targets::Key { owner: context.caller.subject.clone(), slug: slug.to_owned(), tool: tool.to_owned() };
    let found = targets::find(context.platform, key).await;
    match &found {
        Ok(Some(_)) => {}
        Ok(None) => audit.finish(false, Some("unknown tool".to_owned()), 0),
        Err(error) => audit.finish(false, Some(error.message.clone().into_owned()), 0),
    }
    found
}

/// The arguments to mirror in headers. A modern agent has mirrored them already: what it sent must agree.
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

async fn pass_on(
    context: &Context<'_>,
    agent: Era,
    id: &RawValue,
    target: Rc<Target>,
    mut params: RawObject<'_>,
    mirrored: Vec<(String, String)>,
    mut audit: Audit,
) -> Result<Reply> {
    let own_meta = params.get("_meta").map(ToOwned::to_owned);
    let own_meta = own_meta.as_deref().and_then(|meta| RawObject::parse(meta.get())).unwrap_or_default();
    let logs = agent == Era::Legacy || own_meta.get(meta::LOG_LEVEL).is_some();
    params.set("name", raw(&target.tool));
    params.remove("_meta");
    connect::without_own_answer(&mut params);
    let bridge = |upstream_id| Bridge {
        agent,
        agent_id: id.to_owned(),
        upstream_id,
        logs,
        slug: target.upstream.slug.clone(),
    };
    let declared = connect::declared(&own_meta).map(ToOwned::to_owned);
    let give_up = |audit, reason| {
        let upstream = &target.upstream;
        let bridge = bridge(id.to_owned());
        answer(connect::answer(context, &bridge, upstream, declared.as_deref(), reason)?, audit)
    };
    let request = Call { method: "tools/call", name: &target.tool, params, meta: own_meta, mirrored };
    let (used, called) = match send_with_credential(context, &target, &request).await {
        Ok(sent) => sent,
        Err(reason) => return give_up(audit, reason),
    };
    let upstream_id = called.as_ref().map_or_else(|_| id.to_owned(), |(upstream_id, _)| upstream_id.clone());
    let bridge = bridge(upstream_id);
    let outcome = match called {
        Ok((_, Answer { reply: Upstream::Events(events), .. })) => {
            let exchange = Exchange::new(context, bridge, events, used, audit);
            return Ok(Reply::Stream(Box::new(exchange)));
        }
        Ok((_, Answer { reply, .. })) => whole(&bridge, reply),
        Err(CallError::Internal(error)) => {
            audit.finish(false, Some(error.message.clone().into_owned()), 0);
            return Err(error);
        }
        Err(error) => {
            if let CallError::Fetch(cause) = &error {
                log::info!("call of {}: {cause:?}", target.upstream.slug);
            }
            bridge.failed(&error.to_string())
        }
    };
    answer(outcome, audit)
}

type Called = Result<(Box<RawValue>, Answer), CallError>;

/// Sends `request` with a credential that lasts, and once more with a renewed one when the upstream refuses the first.
async fn send_with_credential(
    context: &Context<'_>,
    target: &Rc<Target>,
    request: &Call<'_>,
) -> Result<(Rc<Target>, Called), NotReady> {
    let used = connect::ready(context, Rc::clone(target)).await?;
    let called = send(context, &used, request).await;
    if let Err(error) = &called
        && let Some(renewed) = connect::refused(context, &used, error).await
    {
        let renewed = renewed?;
        let called = send(context, &renewed, request).await;
        return Ok((renewed, called));
    }
    Ok((used, called))
}

async fn send(context: &Context<'_>, target: &Target, request: &Call<'_>) -> Called {
    // A tool is in the catalogue only after a probe found out the era.
    let era = target.upstream.era.unwrap_or(Era::Modern);
    Client::new(context.platform, &target.upstream, &context.caller.subject, limits(context.platform))
        .released_with_caller()
        .call(era, request)
        .await
}

/// An answer that came in one piece.
fn whole(bridge: &Bridge, reply: Upstream) -> Final {
    match reply {
        Upstream::Json(body) => match std::str::from_utf8(&body) {
            Ok(text) => bridge.json(text),
            Err(_) => bridge.failed("the upstream's answer is not UTF-8"),
        },
        Upstream::Accepted | Upstream::Events(_) => bridge.failed("the upstream answered without content"),
    }
}

fn answer(outcome: Final, mut audit: Audit) -> Result<Reply> {
    let Final { json, status, success, error, content_blocks } = outcome;
    audit.sent(json.len());
    audit.finish(success, error, content_blocks);
    let status = StatusCode::from_u16(status)
        .map_err(|error| kernel::Error::new(Code::Internal, error.to_string()))?;
    Ok(Reply::Message { status, json, session_id: None })
}
