//! Table `audit_events`. [`crate::audit`] decides which rows are written together, and when.

use serde::Serialize;

use crate::Platform;
use crate::model::audit::{AuditEvent, Kind};
use crate::model::redaction::redact;
use kernel::ports::{SqlError, Statement};

/// A row in the form in which it is written.
pub struct Row {
    /// The event's id.
    pub id: String,
    json: String,
}

impl Row {
    /// Returns the row's size in bytes, as part of the parameter that [`insert`] binds.
    pub fn size(&self) -> usize {
        self.json.len() + 1
    }
}

#[derive(Serialize)]
struct Columns<'a> {
    id: &'a str,
    event_kind: &'a str,
    timestamp: i64,
    duration_ms: u64,
    request_id: &'a str,
    user_id: &'a str,
    user_email: Option<&'a str>,
    persona: Option<&'a str>,
    tool_name: &'a str,
    toolkit_kind: &'a str,
    connection: Option<&'a str>,
    target: Option<&'a str>,
    status: Option<u16>,
    parameters: String,
    success: bool,
    error_message: Option<&'a str>,
    request_chars: u64,
    response_chars: u64,
    content_blocks: u64,
    source: &'a str,
    authorized: bool,
}

/// Returns the row of `event`, with redacted arguments.
pub fn row(event: &AuditEvent) -> Row {
    let (toolkit_kind, source) = match event.kind {
        Kind::ToolCall | Kind::Refusal => ("mcp", "mcp"),
        Kind::Write => ("postern", "rest"),
    };
    let columns = Columns {
        id: &event.id,
        event_kind: event.kind.as_str(),
        timestamp: event.timestamp.millis(),
        duration_ms: event.duration_ms,
        request_id: &event.request_id,
        user_id: &event.actor.subject,
        user_email: event.actor.email.as_deref(),
        persona: event.actor.persona.as_deref(),
        tool_name: &event.tool_name,
        toolkit_kind,
        connection: event.connection.as_deref(),
        target: event.target.as_deref(),
        status: event.status,
        parameters: redact(&event.arguments),
        success: event.success,
        error_message: event.error_message.as_deref(),
        request_chars: event.request_chars,
        response_chars: event.response_chars,
        content_blocks: event.content_blocks,
        source,
        authorized: event.authorized,
    };
    // None of the columns can fail to serialize.
    Row { id: event.id.clone(), json: serde_json::to_string(&columns).unwrap_or_default() }
}

/// Writes the rows in one statement. A row that was written before stays as it is.
pub async fn insert(platform: &Platform, rows: &[&Row]) -> Result<(), SqlError> {
    let mut json = String::with_capacity(rows.iter().map(|row| row.size()).sum::<usize>() + 1);
    for (index, row) in rows.iter().enumerate() {
        json.push(if index == 0 { '[' } else { ',' });
        json.push_str(&row.json);
    }
    json.push(']');
    let statement = Statement::new(
        "-- audit_events.insert
        INSERT INTO audit_events (id, event_kind, timestamp, duration_ms, request_id, user_id, user_email, persona,
                                  tool_name, toolkit_kind, connection, target, status, parameters, success,
                                  error_message, request_chars, response_chars, content_blocks, transport, source,
                                  authorized)
        SELECT value ->> '$.id', value ->> '$.event_kind', value ->> '$.timestamp', value ->> '$.duration_ms',
               value ->> '$.request_id', value ->> '$.user_id', value ->> '$.user_email', value ->> '$.persona',
               value ->> '$.tool_name', value ->> '$.toolkit_kind', value ->> '$.connection', value ->> '$.target',
               value ->> '$.status', value ->> '$.parameters', value ->> '$.success', value ->> '$.error_message',
               value ->> '$.request_chars', value ->> '$.response_chars', value ->> '$.content_blocks', 'http',
               value ->> '$.source', value ->> '$.authorized'
        FROM json_each(?1 /* rows */)
        WHERE true
        ON CONFLICT (id) DO NOTHING",
    );
    platform.sql.execute(statement.bind(json)).await
}
