//! An audit event: one call of an agent, or one write over a management API.

use kernel::ports::Timestamp;
use kernel::text::cut_owned;

/// Longest name that is kept, in characters: of a tool, an integration, a route, a caller.
const LONGEST_NAME: usize = 256;
/// Longest error text that is kept, in characters.
const LONGEST_ERROR: usize = 2000;
/// Longest arguments that are kept, in bytes.
const LONGEST_ARGUMENTS: usize = 64 * 1024;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call of a tool, allowed or denied.
    ToolCall,
    /// A request to an MCP endpoint that is not there, or not for this caller.
    Refusal,
    /// A request over a management API that writes, also one that was refused.
    Write,
}

impl Kind {
    /// Returns the kind as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolCall => "mcp_tool_call",
            Self::Refusal => "mcp_refusal",
            Self::Write => "management_write",
        }
    }
}

/// Who did it.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// The caller's subject.
    pub subject: String,
    /// The caller's email address.
    pub email: Option<String>,
    /// The name of the caller's persona.
    pub persona: Option<String>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// `evt_` and 32 hex characters.
    pub id: String,
    /// What the event is about.
    pub kind: Kind,
    /// When the request arrived.
    pub timestamp: Timestamp,
    /// Milliseconds from the arrival of the request to the last byte of the answer.
    pub duration_ms: u64,
    /// The id that the response carried in `X-Request-Id`.
    pub request_id: String,
    /// Who did it.
    pub actor: Actor,
    /// Of a call the exposed tool name, as the caller gave it; of a write the method and the route; of a refusal the
    /// method and the route of the endpoint.
    pub tool_name: String,
    /// Slug of the integration, if the tool name leads to one.
    pub connection: Option<String>,
    /// The id of what was written, or asked for.
    pub target: Option<String>,
    /// The HTTP status of the answer to a write.
    pub status: Option<u16>,
    /// The arguments as JSON text, not redacted yet: [`redact`](super::redaction::redact) runs when the row is written,
    /// after the answer.
    pub arguments: String,
    /// Whether the request succeeded: of a call, whether the upstream answered, and not with an error.
    pub success: bool,
    /// What went wrong, in Postern's own words.
    pub error_message: Option<String>,
    /// Size of the arguments in characters.
    pub request_chars: u64,
    /// Size of the answer in characters.
    pub response_chars: u64,
    /// Number of content blocks in the result.
    pub content_blocks: u64,
    /// Whether policy allowed the request.
    pub authorized: bool,
}

impl AuditEvent {
    /// Creates the event of a request that has just arrived. A name that the caller chose is kept only up to a certain
    /// length.
    pub fn new(id: String, kind: Kind, now: Timestamp, request_id: &str, actor: Actor, name: &str) -> Self {
        let actor = Actor {
            subject: cut_owned(actor.subject, LONGEST_NAME),
            email: actor.email.map(name_of),
            persona: actor.persona.map(name_of),
        };
        Self {
            id,
            kind,
            timestamp: now,
            duration_ms: 0,
            request_id: request_id.to_owned(),
            actor,
            tool_name: kernel::text::cut(name, LONGEST_NAME).into_owned(),
            connection: None,
            target: None,
            status: None,
            arguments: "{}".to_owned(),
            success: false,
            error_message: None,
            request_chars: 0,
            response_chars: 0,
            content_blocks: 0,
            authorized: true,
        }
    }

    /// Sets the slug of the integration.
    #[must_use]
    pub fn of_connection(mut self, slug: Option<&str>) -> Self {
        self.connection = slug.map(|slug| kernel::text::cut(slug, LONGEST_NAME).into_owned());
        self
    }

    /// Sets the id of what is written or asked for.
    #[must_use]
    pub fn about(mut self, target: Option<&str>) -> Self {
        if let Some(target) = target {
            self.set_target(target);
        }
        self
    }

    /// Sets the id of what is written or asked for.
    pub fn set_target(&mut self, target: &str) {
        self.target = Some(kernel::text::cut(target, LONGEST_NAME).into_owned());
    }

    /// Sets the arguments, and their size. Of arguments that are too long only the size is kept.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &str) -> Self {
        let characters = arguments.chars().count();
        self.request_chars = characters as u64;
        self.arguments = if arguments.len() > LONGEST_ARGUMENTS {
            format!("\"[TRUNCATED: {characters} characters]\"")
        } else {
            arguments.to_owned()
        };
        self
    }

    /// Sets the end of the event.
    pub fn ended(&mut self, now: Timestamp, success: bool, error: Option<String>) {
        self.duration_ms = u64::try_from(now.since(self.timestamp).as_millis()).unwrap_or(u64::MAX);
        self.success = success;
        self.error_message = error.map(|error| cut_owned(error, LONGEST_ERROR));
    }

    /// Returns about how many bytes the event takes in memory.
    pub fn size(&self) -> usize {
        const REST: usize = 1024;
        self.arguments.len() + self.error_message.as_ref().map_or(0, String::len) + REST
    }
}

fn name_of(text: String) -> String {
    cut_owned(text, LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> AuditEvent {
        let now = Timestamp::from_millis(0);
        AuditEvent::new("evt".to_owned(), Kind::ToolCall, now, "req", Actor::default(), name)
    }

    #[test]
    fn long_names_are_cut_and_say_so() {
        let name = "ü".repeat(3_000_000);
        let mut event = event(&name).of_connection(Some(&name)).about(Some(&name));
        event.ended(Timestamp::from_millis(5), false, Some(name));
        assert!(event.tool_name.ends_with("…[CUT: 3000000 characters]"), "{}", event.tool_name);
        assert!(event.size() < 10_000 && event.tool_name.len() < 1000);
        assert!(event.connection.unwrap().len() < 1000 && event.target.unwrap().len() < 1000);
    }

    #[test]
    fn sizes_are_in_characters_and_long_arguments_are_replaced() {
        assert_eq!(event("t").with_arguments(r#"{"a":"äöü"}"#).request_chars, 11);
        let long = event("t").with_arguments(&"ü".repeat(LONGEST_ARGUMENTS));
        assert_eq!(long.arguments, r#""[TRUNCATED: 65536 characters]""#);
        assert_eq!(long.request_chars, 65536);
    }
}
