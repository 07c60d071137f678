//! The answer to a call for which the caller has no usable credential.
//!
//! An agent that can open URLs for its user is asked to open a link (URL-mode elicitation: 2025-11-25 as error -32042,
//! 2026-07-28 as an `input_required` result); any other agent gets a tool result with `isError` that contains the
//! link.

use http::StatusCode;
use kernel::Result;
use mcp::Era;
use mcp::bridge::{Bridge, Final};
use mcp::message::{RawObject, RpcError, raw, response};
use postern_core::model::integration::AuthMode;
use postern_core::model::target::Upstream;
use postern_core::oauth::rejected_token::NotReady;
use postern_core::oauth::ticket;
use serde_json::json;
use serde_json::value::RawValue;

use crate::context::Context;

/// The key of Postern's own request in `inputRequests`, which may also have requests of an upstream.
const REQUEST: &str = "postern-connect";
/// JSON-RPC code `URLElicitationRequired` (MCP 2025-11-25).
const URL_ELICITATION_REQUIRED: i64 = -32042;

/// Returns the answer to a call that cannot be made for `reason`; `declared` are the client capabilities of the
/// request.
pub(crate) fn answer(
    context: &Context<'_>,
    bridge: &Bridge,
    upstream: &Upstream,
    declared: Option<&RawValue>,
    reason: NotReady,
) -> Result<Final> {
    let reason = match reason {
        NotReady::Failed(text) => return Ok(bridge.failed(&text)),
        NotReady::Connect(reason) => reason,
    };
    let platform = context.platform;
    if context.agent.caller.is_service() {
        return Ok(bridge.failed(
            "this key stands for a program, which cannot sign in: an administrator connects the organization",
        ));
    }
    let base = platform.settings.public_url.as_deref().unwrap_or_default();
    if upstream.auth_mode != AuthMode::Oauth {
        return Ok(bridge.failed(&format!(
            "{reason}: store your token with POST {base}/api/v1/integrations/{}/connection",
            upstream.integration_id
        )));
    }
    if platform.settings.public_url.is_none() {
        return Ok(bridge.failed(&format!("{reason}, which needs the setting PUBLIC_URL")));
    }
    let url = ticket::link(platform, &upstream.integration_id, &context.agent.caller.subject)?;
    if context.agent.opens_urls(declared) {
        return Ok(elicitation(context, bridge, &url, reason));
    }
    let told = bridge.failed(&format!("{reason}: open {url} in a browser"));
    // Only the caller may see the link: the audit row gets the reason without the link.
    Ok(Final { error: Some(reason.to_owned()), ..told })
}

/// Asks the agent to open `url` for its user, because of `reason`.
pub(super) fn elicitation(context: &Context<'_>, bridge: &Bridge, url: &str, reason: &'static str) -> Final {
    let message = format!("Connect {} to go on.", bridge.slug);
    let elicitation =
        json!({ "mode": "url", "elicitationId": context.request_id.0, "url": url, "message": message });
    let json = match bridge.agent {
        Era::Legacy => RpcError::new(StatusCode::OK, URL_ELICITATION_REQUIRED, reason)
            .with_data(&json!({ "elicitations": [elicitation] }))
            .with_id(Some(&bridge.agent_id))
            .to_json(),
        Era::Modern => {
            let requests = json!({ REQUEST: { "method": "elicitation/create", "params": elicitation } });
            let result = raw(&json!({ "resultType": "input_required", "inputRequests": requests }));
            response(&bridge.agent_id, "result", &result)
        }
    };
    Final { json, status: 200, success: false, error: Some(reason.to_owned()), content_blocks: 0 }
}

/// Removes the answer to Postern's own request from the `inputResponses` of a repeated call: the upstream never made
/// that request.
pub(crate) fn without_own_answer(params: &mut RawObject<'_>) {
    let Some(answers) = params.get("inputResponses").map(ToOwned::to_owned) else { return };
    let Some(mut answers) = RawObject::parse(answers.get()) else { return };
    if answers.get(REQUEST).is_none() {
        return;
    }
    answers.remove(REQUEST);
    let rest = answers.to_raw();
    if rest.get() == "{}" {
        params.remove("inputResponses");
    } else {
        params.set("inputResponses", rest);
    }
}
