//! The tool `connect`: the way to an integration's tools for a user who has not connected to it by OAuth.
//!
//! The tool is listed while nobody has connected, and so the upstream's tools are not known. A call of it is answered
//! also after that: with the link to users who are yet to connect, and to the others with the news that they are
//! connected, since agents repeat a call once their user has opened the link. A tool of the upstream that has the same
//! name is never hidden by this one, because it is known by then.

use kernel::Result;
use mcp::bridge::Bridge;
use mcp::message::RawObject;
use mcp::meta;
use postern_core::oauth::rejected_token::{CONNECTION_ENDED, NOT_CONNECTED};
use postern_core::oauth::ticket;
use postern_core::store::entries::CONNECT;
use postern_core::store::targets::{Connectable, Connected, connectable};
use serde_json::value::RawValue;

use super::unconnected::elicitation;
use crate::audit::Audit;
use crate::context::Context;
use crate::reply::Reply;

/// Returns the integration `slug` if `tool`, which no upstream has, is its tool `connect` and the caller could connect:
/// a program cannot sign in, and without a public URL there is no link.
pub(crate) async fn find(context: &Context<'_>, slug: &str, tool: &str) -> Result<Option<Connectable>> {
    let (platform, caller) = (context.platform, context.agent.caller);
    if tool != CONNECT || caller.is_service() || platform.settings.public_url.is_none() {
        return Ok(None);
    }
    connectable(platform, &caller.subject, slug).await
}

/// Answers the call `id` of the tool `connect` of `integration`.
pub(crate) fn answer(
    context: &Context<'_>,
    id: &RawValue,
    params: &RawObject<'_>,
    integration: &Connectable,
    audit: &Audit,
) -> Result<Reply> {
    let Connectable { integration_id, slug, title, standing } = integration;
    let bridge = Bridge {
        agent: context.agent.era,
        agent_id: id.to_owned(),
        upstream_id: id.to_owned(),
        logs: false,
        slug: slug.clone(),
    };
    let reason = match standing {
        Connected::Yes => {
            let text = format!("You are connected to {title}. List the tools again to see which it has.");
            return super::answer(bridge.told(&text), audit);
        }
        Connected::No => NOT_CONNECTED,
        Connected::Ended => CONNECTION_ENDED,
    };
    let url = ticket::link(context.platform, integration_id, &context.agent.caller.subject)?;
    let told = if context.agent.opens_urls(declared(params).as_deref()) {
        elicitation(context, &bridge, &url, reason)
    } else {
        bridge.told(&format!(
            "Open {url} in a browser to connect your account with {title}. List the tools again once that is done."
        ))
    };
    super::answer(told, audit)
}

/// Returns the client capabilities that a call of 2026-07-28 declares.
fn declared(params: &RawObject<'_>) -> Option<Box<RawValue>> {
    RawObject::parse(params.get("_meta")?.get())?.get(meta::CLIENT_CAPABILITIES).map(ToOwned::to_owned)
}
