//! The MCP endpoints over HTTP: from the request's body to the answer's HTTP form.
//!
//! (1) The endpoint's scope is determined; (2) the body is classified by era; (3) the agent is identified, and a
//! legacy session is checked against its caller; (4) each message is answered; (5) the answer becomes an HTTP
//! response.

use std::mem;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use kernel::Result;
use mcp::era::{Inbound, classify};
use mcp::message::{Message, RpcError, code};
use postern_core::auth::{ApiKeys, Caller};
use postern_core::catalogue::Scope;
use postern_core::{Family, Platform};
use serde_json::value::RawValue;
use web::answer::with_type;
use web::{Failure, FromRequest, Head, Path, PathParam, Request, Response};

use crate::agent::{Agent, UnknownSession};
use crate::context::Context;
use crate::exchange::LARGEST_ANSWER;
use crate::reply::Reply;
#[cfg(not(target_family = "wasm"))]
use crate::schemas;
use crate::{endpoint, methods};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// The route of the endpoint for all integrations together.
pub(super) fn all_routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    let family = family.post("", all).summary("mcp", "The tools of all running integrations").description(
        "An MCP endpoint. Tools are named `<slug>__<tool>`; the caller sees those that its persona allows.",
    );
    described(family).answer(404, "The session is not this caller's, or the method is not known.", &[JSON])
}

/// The route of the endpoints for one integration each.
pub(super) fn one_routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    let family = family
        .post("/integrations/{id}/mcp", one)
        .summary("mcpOfOne", "The tools of one integration")
        .description(
            "An MCP endpoint. Tools have their upstream's names; the caller sees those that its persona allows.",
        );
    described(family).answer(
        404,
        "The integration is not there, not running or not for this caller; the session is not this caller's; or the \
         method is not known.",
        &[JSON],
    )
}

fn described(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .answer(
            200,
            "The answer: one JSON-RPC message, or a stream of them whose last one is the response. An agent up to \
             2025-11-25 that initializes gets an `MCP-Session-Id`.",
            &[JSON, EVENTS],
        )
        .answer(202, "A notification, or a response: nothing to answer.", &[])
        .answer(400, "No message of the protocol, or headers that do not fit it.", &[JSON])
        .error(406, "`Accept` has neither of the two forms.")
}

/// The slug or UUID of an integration, in a path. Any text is accepted here; an unknown one is answered with 404.
struct Reference(String);

impl PathParam for Reference {
    const NAME: &'static str = "id";

    fn from_param(text: &str) -> Result<Self> {
        Ok(Self(text.to_owned()))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required_of::<schemas::Reference>("The integration's slug or UUID.")
    }
}

/// The unparsed body: a message or a batch. Every refusal of a body is a JSON-RPC message, see [`classify`].
struct RpcText(Bytes);

impl FromRequest for RpcText {
    fn from_request(request: &mut Request) -> Result<Self> {
        Ok(Self(mem::take(&mut request.body)))
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut web::openapi::Described<'_>) {
        operation.takes_json::<schemas::RpcBody>(true);
    }
}

/// Answers `POST /mcp`.
async fn all(
    platform: &Platform,
    caller: Caller,
    RpcText(body): RpcText,
    head: Head,
) -> Result<Response, Failure> {
    // (1)
    serve(platform, &caller, &Scope::All, &head, &body).await
}

/// Answers `POST /integrations/{id}/mcp`; 404 for an integration that does not exist, is not running or is not for
/// this caller.
async fn one(
    platform: &Platform,
    caller: Caller,
    Path(Reference(reference)): Path<Reference>,
    RpcText(body): RpcText,
    head: Head,
) -> Result<Response, Failure> {
    // (1)
    let scope = endpoint::one(platform, &caller, &reference, &head.id).await?;
    serve(platform, &caller, &scope, &head, &body).await
}

async fn serve(
    platform: &Platform,
    caller: &Caller,
    scope: &Scope,
    head: &Head,
    body: &[u8],
) -> Result<Response, Failure> {
    let takes_events = takes_events(&head.headers)?;
    let Ok(body) = std::str::from_utf8(body) else {
        let error = RpcError::new(StatusCode::BAD_REQUEST, code::PARSE_ERROR, "the body is not UTF-8");
        return Ok(Reply::from(error).into_response(takes_events).await);
    };
    let request = Incoming { platform, scope, head };
    // (2), (3), (4)
    let reply = match classify(&head.headers, body) {
        Err(error) => error.into(),
        Ok(Inbound::Modern(message)) => request.answer(&Agent::modern(caller), &message).await,
        Ok(legacy) => match (Agent::legacy(platform, caller, &head.headers), legacy) {
            (Err(UnknownSession), _) => unknown_session(),
            (Ok(agent), Inbound::LegacyBatch(items)) => return Ok(request.batch(&agent, items).await),
            (Ok(agent), Inbound::Legacy(message) | Inbound::Modern(message)) => {
                request.answer(&agent, &message).await
            }
        },
    };
    // (5)
    Ok(reply.into_response(takes_events).await)
}

fn unknown_session() -> Reply {
    RpcError::new(StatusCode::NOT_FOUND, -32001, "session not found: initialize again").into()
}

/// Whether the agent accepts an event stream. The error is 406 when `Accept` has neither form of an answer; without
/// that header both are accepted.
fn takes_events(headers: &HeaderMap) -> Result<bool, Failure> {
    let mut accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepts.peek().is_none() {
        return Ok(true);
    }
    let ranges: Vec<String> = accepts
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let takes = |wanted: &[&str]| ranges.iter().any(|range| wanted.contains(&range.as_str()));
    match (takes(&[EVENTS, "text/*", "*/*"]), takes(&[JSON, "application/*", "*/*"])) {
        (true, _) => Ok(true),
        (false, true) => Ok(false),
        (false, false) => {
            Err(Failure::NotAcceptable("Accept must have application/json and text/event-stream"))
        }
    }
}

/// What the messages of one HTTP request have in common.
struct Incoming<'a> {
    platform: &'a Platform,
    scope: &'a Scope,
    head: &'a Head,
}

impl Incoming<'_> {
    /// Answers one message. An error of Postern's own becomes the answer to that message, with its id.
    async fn answer(&self, agent: &Agent<'_>, message: &Message<'_>) -> Reply {
        let context = Context {
            platform: self.platform,
            agent,
            scope: self.scope,
            headers: &self.head.headers,
            request_id: &self.head.id,
        };
        methods::answer(&context, message).await.unwrap_or_else(|error| {
            log::error!("{} {}", self.head.id.0, error.report());
            RpcError::new(StatusCode::OK, code::INTERNAL_ERROR, error.message).with_id(message.id).into()
        })
    }

    /// Answers a JSON-RPC batch (MCP 2025-03-26 only), one message after the other. All answers are in memory at once,
    /// so together they may be as large as one; what follows after that is refused without being done.
    async fn batch(&self, agent: &Agent<'_>, items: Vec<&RawValue>) -> Response {
        let (mut answers, mut size) = (Vec::new(), 0_u64);
        for item in items {
            let reply = match Message::parse(item.get()) {
                Ok(message) if size > LARGEST_ANSWER && !message.is_response() => {
                    let Some(id) = message.id else { continue };
                    let text =
                        "the answers of this batch are too large together: send this request by itself";
                    RpcError::new(StatusCode::OK, code::INTERNAL_ERROR, text).with_id(Some(id)).into()
                }
                Ok(message) => self.answer(agent, &message).await,
                Err(error) => error.into(),
            };
            let answer = reply.into_message().await;
            size += answer.as_ref().map_or(0, |answer| answer.len() as u64);
            answers.extend(answer);
        }
        if answers.is_empty() {
            return Reply::Accepted.into_response(false).await;
        }
        with_type(StatusCode::OK, JSON, format!("[{}]", answers.join(",")))
    }
}
