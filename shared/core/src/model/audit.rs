//! An audit event, and which parts of a call's arguments may be stored.

use serde_json::Value;

use kernel::ports::Timestamp;

/// Names of arguments whose values are never stored: at any depth, in any case, with `_` or `-`.
const SECRET_KEYS: [&str; 12] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "credential",
    "credentials",
    "access_token",
    "refresh_token",
    "client_secret",
];
/// Longest string value that is stored, in bytes.
const LONGEST_VALUE: usize = 16 * 1024;

/// One tool call, allowed or denied.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// `evt_` and 32 hex characters.
    pub id: String,
    /// When the call arrived.
    pub timestamp: Timestamp,
    /// Milliseconds from the arrival of the call to the last byte of the answer.
    pub duration_ms: u64,
    /// The id that the response carried in `X-Request-Id`.
    pub request_id: String,
    /// The caller's subject.
    pub user_id: String,
    /// The caller's email address.
    pub user_email: Option<String>,
    /// The caller's persona.
    pub persona: Option<String>,
    /// The exposed tool name, as the caller gave it.
    pub tool_name: String,
    /// Slug of the integration, if the tool name leads to one.
    pub connection: Option<String>,
    /// The arguments as JSON text, not redacted yet: [`redact`] runs when the row is written, after the answer.
    pub arguments: String,
    /// Whether the upstream answered, and not with an error.
    pub success: bool,
    /// What went wrong, in Postern's own words.
    pub error_message: Option<String>,
    /// Size of the arguments in bytes.
    pub request_chars: u64,
    /// Size of the answer in bytes.
    pub response_chars: u64,
    /// Number of content blocks in the result.
    pub content_blocks: u64,
    /// Whether policy allowed the call.
    pub authorized: bool,
}

/// Returns the arguments as they may be stored: secret values and long strings are replaced by a note.
pub fn redact(arguments: &str) -> String {
    let mut value = serde_json::from_str(arguments).unwrap_or(Value::Null);
    redact_value(&mut value);
    value.to_string()
}

fn redact_value(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if is_secret(key) {
                    *member = Value::from("[REDACTED]");
                } else {
                    redact_value(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_value),
        Value::String(text) if text.len() > LONGEST_VALUE => {
            *text = format!("[TRUNCATED: {} bytes]", text.len());
        }
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.replace('-', "_");
    SECRET_KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_values_are_redacted_at_any_depth_and_in_any_case() {
        let kept = redact(r#"{"q":"x","Password":"p","deep":[{"API-Key":"k","ok":1}],"token":{"a":"b"}}"#);
        assert_eq!(
            kept,
            r#"{"Password":"[REDACTED]","deep":[{"API-Key":"[REDACTED]","ok":1}],"q":"x","token":"[REDACTED]"}"#
        );
    }

    #[test]
    fn long_values_are_replaced_by_their_length() {
        let long = "x".repeat(LONGEST_VALUE + 1);
        assert_eq!(redact(&format!(r#"{{"a":"{long}"}}"#)), r#"{"a":"[TRUNCATED: 16385 bytes]"}"#);
    }
}
