//! The methods by which an agent learns what Postern can do: `initialize` and `ping` (up to 2025-11-25),
//! `server/discover` (from 2026-07-28 on).

use kernel::Result;
use mcp::message::{RawObject, RpcError, raw};
use mcp::{LATEST_LEGACY, LEGACY, MODERN, implementation, meta};
use serde_json::json;
use serde_json::value::RawValue;

use crate::agent::opens_urls;
use crate::context::Context;
use crate::reply::Reply;
use crate::session::AgentSession;

/// Answers `initialize`: negotiates the revision and opens a session.
pub(super) fn initialize(context: &Context<'_>, id: &RawValue, params: Option<&RawValue>) -> Result<Reply> {
    let params = params.and_then(|params| RawObject::parse(params.get()));
    let wanted = params.as_ref().and_then(|params| params.text("protocolVersion"));
    let Some(wanted) = wanted else {
        return Ok(RpcError::invalid_params("initialize needs a protocolVersion").with_id(Some(id)).into());
    };
    let version = LEGACY.into_iter().find(|known| *known == wanted).unwrap_or(LATEST_LEGACY);
    let url_elicitation =
        params.as_ref().and_then(|params| params.get("capabilities")).is_some_and(opens_urls);
    let session = AgentSession::new(version, url_elicitation, context.platform.now());
    let session_id = session.seal(context.platform, &context.agent.caller.subject)?;
    let result = raw(&json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": implementation(),
    }));
    Ok(Reply::result(id, &result).with_session(session_id))
}

/// Answers `ping`.
pub(super) fn ping(id: &RawValue) -> Reply {
    Reply::result(id, &raw(&json!({})))
}

/// Answers `server/discover` with Postern's revisions and capabilities.
pub(super) fn discover(id: &RawValue) -> Reply {
    let result = raw(&json!({
        "resultType": "complete",
        "supportedVersions": [MODERN],
        "capabilities": { "tools": {} },
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": { meta::SERVER_INFO: implementation() },
    }));
    Reply::result(id, &result)
}
