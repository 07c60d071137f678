//! The audit row of one call: begun when the call arrives, recorded once, however the call ends.

use kernel::Result;
use kernel::digest::hex;
use kernel::ports::Timestamp;
use postern_core::Platform;
use postern_core::auth::Caller;
use postern_core::model::audit::AuditEvent;
use postern_core::store::audit_events::record;
use serde_json::value::RawValue;

use crate::context::Context;

/// An audit row that is not recorded yet. `finish` records the row; if the agent disconnects before that, dropping
/// this value records a failed call.
pub(crate) struct Audit {
    platform: Platform,
    started: Timestamp,
    event: Option<AuditEvent>,
}

impl Audit {
    /// Begins the row of a call of the tool `exposed` with `arguments`; `slug` is the integration's.
    pub(crate) fn begin(
        context: &Context<'_>,
        exposed: &str,
        slug: Option<&str>,
        arguments: Option<&RawValue>,
    ) -> Result<Self> {
        let platform = context.platform.clone();
        let started = platform.now();
        let arguments = arguments.map_or("{}", RawValue::get).to_owned();
        let Caller { subject, email, persona, .. } = context.agent.caller;
        let event = AuditEvent {
            id: format!("evt_{}", hex(&platform.random::<16>()?)),
            timestamp: started,
            duration_ms: 0,
            request_id: context.request_id.0.clone(),
            user_id: subject.clone(),
            user_email: email.clone(),
            persona: persona.as_ref().map(|persona| persona.name.clone()),
            tool_name: exposed.to_owned(),
            connection: slug.map(str::to_owned),
            request_chars: arguments.len() as u64,
            arguments,
            success: false,
            error_message: None,
            response_chars: 0,
            content_blocks: 0,
            authorized: true,
        };
        Ok(Self { platform, started, event: Some(event) })
    }

    /// Records a call that policy refused for `reason`.
    pub(crate) fn denied(mut self, reason: String) {
        if let Some(event) = &mut self.event {
            event.authorized = false;
        }
        self.finish(false, Some(reason), 0);
    }

    /// Adds `bytes` to the size of what was sent to the agent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(event) = &mut self.event {
            event.response_chars += bytes as u64;
        }
    }

    /// Records the row. A second call does nothing.
    pub(crate) fn finish(&mut self, success: bool, error: Option<String>, content_blocks: u64) {
        let Some(mut event) = self.event.take() else {
            return;
        };
        let duration = self.platform.now().since(self.started);
        event.duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        event.success = success;
        event.error_message = error;
        event.content_blocks = content_blocks;
        record(&self.platform, event);
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.finish(false, Some("the agent went away before the answer".to_owned()), 0);
    }
}
