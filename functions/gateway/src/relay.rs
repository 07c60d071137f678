//! Passes a call on to its upstream and the answer back: (1) the request is made ready for the upstream; (2) the
//! request is sent with a credential; (3) the answer is translated into the agent's era.
//!
//! A failure of the upstream becomes a tool result with `isError`, so that the model can react.

pub(crate) mod connect;
mod unconnected;

use std::rc::Rc;

use http::StatusCode;
use kernel::{Error, Result};
use mcp::Era;
use mcp::bridge::{Bridge, Final};
use mcp::message::{RawObject, raw};
use mcp::meta;
use postern_core::client::{self, Answer, CallError, Client, Content};
use postern_core::model::target::{Target, Upstream};
use postern_core::upstream::dial::{Dialled, WithoutCredential, dial};
use serde_json::value::RawValue;

use crate::audit::Audit;
use crate::context::Context;
use crate::exchange::{Exchange, limits};
use crate::reply::Reply;

/// An authorized call.
pub(crate) struct Call<'a> {
    /// The agent's request id.
    pub(crate) id: &'a RawValue,
    /// The upstream and its tool.
    pub(crate) target: Rc<Target>,
    /// The agent's parameters.
    pub(crate) params: RawObject<'a>,
    /// Arguments that the request repeats in headers: a header's name without the prefix `Mcp-Param-`, and its value.
    pub(crate) mirrored: Vec<(String, String)>,
}

/// Passes `call` on and returns the reply to the agent. Only an error of Postern's own is an `Err`; every other
/// failure is a reply.
pub(crate) async fn pass_on(context: &Context<'_>, call: Call<'_>, audit: Audit) -> Result<Reply> {
    // (1)
    let target = Rc::clone(&call.target);
    let meta = call.params.get("_meta").map(ToOwned::to_owned);
    let meta = meta.as_deref().and_then(|meta| RawObject::parse(meta.get())).unwrap_or_default();
    let declared = meta.get(meta::CLIENT_CAPABILITIES).map(ToOwned::to_owned);
    let (mut bridge, request) = ready(context, call, &target, meta);
    // (2)
    let (platform, subject) = (context.platform, context.agent.caller.subject.as_str());
    let sending = async |upstream: &Upstream| {
        // A tool is in the catalogue only after a probe has found the era.
        let era = upstream.era.unwrap_or(Era::Modern);
        Client::new(platform, upstream, subject, limits(platform))
            .released_with_caller()
            .call(era, &request)
            .await
    };
    let upstream = Rc::clone(&target.upstream);
    let Dialled { upstream, outcome } =
        match dial(platform, subject, upstream, WithoutCredential::Stop, sending).await {
            Ok(dialled) => dialled,
            Err(reason) => {
                let told =
                    unconnected::answer(context, &bridge, &target.upstream, declared.as_deref(), reason)?;
                return answer(told, &audit);
            }
        };
    // (3)
    match outcome {
        Ok((upstream_id, Answer { content, .. })) => {
            bridge.upstream_id = upstream_id;
            match content {
                Content::Events(events) => {
                    let exchange = Exchange::new(context, bridge, events, upstream, audit);
                    Ok(Reply::Stream(Box::new(exchange)))
                }
                whole => answer(in_one_piece(&bridge, whole), &audit),
            }
        }
        Err(CallError::Internal(error)) => {
            audit.finish(false, Some(error.message.clone().into_owned()), 0);
            Err(error)
        }
        Err(error) => {
            if let CallError::Fetch(cause) = &error {
                log::info!("call of {}: {cause:?}", upstream.slug);
            }
            answer(bridge.failed(&error.to_string()), &audit)
        }
    }
}

/// Returns the bridge between agent and upstream, and the upstream's request: under the tool's own name, with `_meta`
/// kept apart, and without the agent's answer to a request of Postern's own.
fn ready<'a>(
    context: &Context<'_>,
    call: Call<'a>,
    target: &'a Target,
    meta: RawObject<'a>,
) -> (Bridge, client::Call<'a>) {
    let Call { id, mut params, mirrored, .. } = call;
    params.set("name", raw(&target.tool));
    params.remove("_meta");
    unconnected::without_own_answer(&mut params);
    let agent = context.agent.era;
    let bridge = Bridge {
        agent,
        agent_id: id.to_owned(),
        // A placeholder: the upstream's id is known once the request was sent, and no answer arrives before that.
        upstream_id: id.to_owned(),
        logs: agent == Era::Legacy || meta.get(meta::LOG_LEVEL).is_some(),
        slug: target.upstream.slug.clone(),
    };
    (bridge, client::Call { method: "tools/call", name: &target.tool, params, meta, mirrored })
}

/// Translates an answer that is not an event stream.
fn in_one_piece(bridge: &Bridge, content: Content) -> Final {
    match content {
        Content::Json(body) => match std::str::from_utf8(&body) {
            Ok(text) => bridge.json(text),
            Err(_) => bridge.failed("the upstream's answer is not UTF-8"),
        },
        Content::Accepted | Content::Events(_) => bridge.failed("the upstream answered without content"),
    }
}

fn answer(outcome: Final, audit: &Audit) -> Result<Reply> {
    let Final { json, status, success, error, content_blocks } = outcome;
    audit.sent(&json);
    audit.finish(success, error, content_blocks);
    let status = StatusCode::from_u16(status).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Reply::Message { status, json, session_id: None })
}
