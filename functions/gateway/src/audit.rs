//! The audit rows of the gateway: of calls, and of requests to an endpoint that is not there for the caller.

use kernel::Result;
use postern_core::Platform;
use postern_core::audit::{Pending, begin, event, refused};
use postern_core::auth::Caller;
use postern_core::model::audit::Kind;
use serde_json::value::RawValue;
use web::RequestId;

use crate::context::Context;

/// The audit row of a call, begun when the call arrives. `finish` ends it; if the agent leaves before that, the row says
/// so.
pub(crate) struct Audit(Pending);

impl Audit {
    /// Begins the row of a call of the tool `exposed` with `arguments`; `slug` is the integration's.
    pub(crate) fn begin(
        context: &Context<'_>,
        exposed: &str,
        slug: Option<&str>,
        arguments: Option<&RawValue>,
    ) -> Result<Self> {
        let actor = context.agent.caller.actor();
        let event = event(context.platform, Kind::ToolCall, &context.request_id.0, actor, exposed)?
            .of_connection(slug)
            .with_arguments(arguments.map_or("{}", RawValue::get));
        Ok(Self(begin(context.platform, event)))
    }

    /// Records a call that policy refused for `reason`.
    pub(crate) fn denied(self, reason: String) {
        self.0.change(|event| event.authorized = false);
        self.0.end(false, Some(reason));
    }

    /// Adds `text` to the size of what was sent to the agent.
    pub(crate) fn sent(&self, text: &str) {
        self.0.change(|event| event.response_chars += text.chars().count() as u64);
    }

    /// Ends the row. A second call does nothing.
    pub(crate) fn finish(&self, success: bool, error: Option<String>, content_blocks: u64) {
        self.0.change(|event| event.content_blocks = content_blocks);
        self.0.end(success, error);
    }
}

/// Records a request to the endpoint of the integration `reference`, which is not there for this caller: because there
/// is none that runs, or because the caller may not use it.
pub(crate) fn refuse(
    platform: &Platform,
    caller: &Caller,
    id: &RequestId,
    reference: &str,
    exists: bool,
) -> Result<()> {
    let event = event(platform, Kind::Refusal, &id.0, caller.actor(), "POST /integrations/{id}/mcp")?;
    let reason = if exists { "the persona does not allow this integration" } else { "unknown integration" };
    refused(platform, event.about(Some(reference)), !exists, reason);
    Ok(())
}
