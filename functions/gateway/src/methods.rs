//! The methods of MCP: calls the function that answers a message, by its method and the agent's era.

mod lifecycle;
mod tools;

use http::StatusCode;
use kernel::Result;
use mcp::Era;
use mcp::message::{Message, RpcError, code};

use crate::context::Context;
use crate::reply::Reply;

/// Answers one message. A notification or a response is accepted and gets no answer; a method that the agent's era
/// does not have gets the error -32601.
pub(crate) async fn answer(context: &Context<'_>, message: &Message<'_>) -> Result<Reply> {
    let (Some(method), Some(id)) = (message.method.as_deref(), message.id) else {
        return Ok(Reply::Accepted);
    };
    match (context.agent.era, method) {
        (Era::Legacy, "initialize") => lifecycle::initialize(context, id, message.params),
        (Era::Legacy, "ping") => Ok(lifecycle::ping(id)),
        (Era::Modern, "server/discover") => Ok(lifecycle::discover(id)),
        (_, "tools/list") => tools::list(context, message, id).await,
        (_, "tools/call") => tools::call(context, message, id).await,
        (era, _) => {
            // MCP 2026-07-28 prescribes the status 404 for this error.
            let status = if era == Era::Modern { StatusCode::NOT_FOUND } else { StatusCode::OK };
            Ok(RpcError::new(status, code::METHOD_NOT_FOUND, "method not found").with_id(Some(id)).into())
        }
    }
}
