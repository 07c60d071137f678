//! The credential of a call: making it last, and what an agent is told when there is none.
//!
//! An agent that can open URLs for its user is asked to (URL-mode elicitation: 2025-11-25 as error -32042, 2026-07-28 as
//! an `input_required` result); any other gets a tool result with `isError` and the link.

use std::rc::Rc;

use http::StatusCode;
use serde_json::json;
use serde_json::value::RawValue;
use mcp::Era;
use mcp::bridge::{Bridge, Final};
use postern_core::client::CallError;
use mcp::message::{RawObject, RpcError, raw, response};
use crate::session::AgentSession;
use mcp::{headers, meta};
use postern_core::model::credential::{Kind, SealedCredential};
use postern_core::model::integration::AuthMode;
use postern_core::model::target::{Target, Upstream};
use postern_core::oauth::refresh::{ended, usable};
use postern_core::oauth::refusal::{NotReady, consider};
use postern_core::oauth::ticket;
use postern_core::store::integrations;

use crate::endpoint::Context;

/// The name of Postern's own request among an upstream's.
const REQUEST: &str = "postern-connect";
/// JSON-RPC code `URLElicitationRequired` (MCP 2025-11-25).
const URL_ELICITATION_REQUIRED: i64 = -32042;

/// `target` with a credential that lasts for the call.
pub(crate) async fn ready(context: &Context<'_>, target: Rc<Target>) -> Result<Rc<Target>, NotReady> {
    let upstream = &target.upstream;
    let Some(credential) = &upstream.credential else {
        return if upstream.auth_mode.is_per_user() {
            Err(unconnected(context, upstream).await)
        } else {
            Ok(target)
        };
    };
    if credential.kind != Kind::Oauth {
        return Ok(target);
    }
    if upstream.needs_reauth {
        return Err(ended(context.platform, credential).into());
    }
    let fresh = usable(context.platform, &upstream.integration_id, credential).await?;
    Ok(if fresh.sealed == credential.sealed { target } else { with_credential(&target, fresh) })
}

/// What is missing where nobody has connected: the caller's consent, or what validation gets for the organization.
async fn unconnected(context: &Context<'_>, upstream: &Upstream) -> NotReady {
    let platform = context.platform;
    let found = integrations::find(platform, &context.caller.subject, &upstream.integration_id).await;
    match found.map(|found| found.and_then(|found| found.content.oauth)) {
        Ok(Some(config)) if config.is_client_credentials() => {
            NotReady::Failed("the organization has no access yet: validating it tells why".to_owned())
        }
        Ok(_) => NotReady::Connect("you have not connected it yet"),
        Err(error) => {
            log::error!("{}: {error} ({:?})", upstream.slug, error.internal);
            NotReady::Failed("its credential could not be read".to_owned())
        }
    }
}

/// What an upstream's refusal leads to: `target` with a renewed token, to be tried once, or the reason to give up.
/// `None` for every other failure.
pub(crate) async fn refused(
    context: &Context<'_>,
    target: &Rc<Target>,
    error: &CallError,
) -> Option<Result<Rc<Target>, NotReady>> {
    let upstream = &target.upstream;
    let credential = upstream.credential.as_ref()?;
    let outcome = consider(context.platform, &upstream.integration_id, credential, error).await?;
    Some(outcome.map(|fresh| with_credential(target, fresh)))
}

fn with_credential(target: &Rc<Target>, credential: SealedCredential) -> Rc<Target> {
    let upstream = Upstream { credential: Some(credential), ..target.upstream.clone() };
    Rc::new(Target { upstream, tool: target.tool.clone(), param_headers: target.param_headers.clone() })
}

/// The answer to a call that cannot be made.
pub(crate) fn answer(
    context: &Context<'_>,
    bridge: &Bridge,
    upstream: &Upstream,
    declared: Option<&RawValue>,
    reason: NotReady,
) -> kernel::Result<Final> {
    let reason = match reason {
        NotReady::Failed(text) => return Ok(bridge.failed(&text)),
        NotReady::Connect(reason) => reason,
    };
    let platform = context.platform;
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
    let url = ticket::link(platform, &upstream.integration_id, &context.caller.subject)?;
    if !takes_urls(context, bridge.agent, declared) {
        let told = bridge.failed(&format!("{reason}: open {url} in a browser"));
        // The link is the caller's alone: the audit row gets the reason without it.
        return Ok(Final { error: Some(reason.to_owned()), ..told });
    }
    let message = format!("Connect {} to go on.", upstream.slug);
    let elicitation =
        json!({ "mode": "url", "elicitationId": context.request.id.0, "url": url, "message": message });
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
    Ok(Final { json, status: 200, success: false, error: Some(reason.to_owned()), content_blocks: 0 })
}

/// Whether the agent said that it can open URLs: in its session, or in this request.
fn takes_urls(context: &Context<'_>, agent: Era, declared: Option<&RawValue>) -> bool {
    match agent {
        Era::Modern => declared.is_some_and(has_url_elicitation),
        Era::Legacy => {
            let id = context.request.headers.get(headers::SESSION_ID).and_then(|id| id.to_str().ok());
            let session = id.and_then(|id| AgentSession::open(context.platform, &context.caller.subject, id));
            session.is_some_and(|session| session.url_elicitation)
        }
    }
}

/// Whether `capabilities` has `elicitation.url`.
pub(crate) fn has_url_elicitation(capabilities: &RawValue) -> bool {
    let member = |object: &RawValue, key: &str| Some(RawObject::parse(object.get())?.get(key)?.to_owned());
    let url = member(capabilities, "elicitation").and_then(|elicitation| member(&elicitation, "url"));
    url.is_some_and(|url| url.get().starts_with('{'))
}

/// Takes Postern's own request out of the answers that a retried call brings: the upstream never asked it.
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

/// What the agent declared for this request (2026-07-28).
pub(crate) fn declared<'a>(own_meta: &'a RawObject<'_>) -> Option<&'a RawValue> {
    own_meta.get(meta::CLIENT_CAPABILITIES)
}
