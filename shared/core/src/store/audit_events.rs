//! Table `audit_events`, written after the answer.
//!
//! [`record`] puts the row into the instance's queue. The first row starts a writer in the background, which waits
//! for [`GATHER`] and then writes all waiting rows, at most 100 in one statement. A crash can lose the rows of calls
//! that were answered within the last second by an instance that dies (evicted, out of memory, power) before its
//! writer ran. If a write fails, the writer tries once more, then drops the rows and logs their number.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::Serialize;

use crate::Platform;
use crate::model::audit::{AuditEvent, redact};
use kernel::ports::{SqlError, Statement};

/// How long the writer waits for further rows. Long enough that calls under load share a write, short enough that a
/// write stays small: on workerd a large write delays the calls that run beside it.
pub const GATHER: Duration = Duration::from_millis(400);
/// Most rows in one statement: few enough that a write does not block other requests in the database.
const ROWS: usize = 100;
/// Longest arguments, in bytes, that are kept while the row waits.
const LONGEST_ARGUMENTS: usize = 64 * 1024;
/// Most rows that may wait. The queue reaches this length only while the database is down.
const CAPACITY: usize = 5000;

/// Rows that wait to be written, and whether a writer is running.
#[derive(Default)]
pub struct Queue {
    rows: RefCell<Vec<AuditEvent>>,
    writing: Cell<bool>,
}

/// Queues `event` and starts a writer if none is running. Never waits and never fails the call. While the queue is
/// full, the event is dropped and its id is logged.
pub fn record(platform: &Platform, mut event: AuditEvent) {
    if event.arguments.len() > LONGEST_ARGUMENTS {
        event.arguments = format!("\"[TRUNCATED: {} bytes]\"", event.arguments.len());
    }
    let queue = &*platform.memory.one::<Queue>();
    if queue.rows.borrow().len() >= CAPACITY {
        log::error!("audit queue is full: event {} is lost", event.id);
        return;
    }
    queue.rows.borrow_mut().push(event);
    if !queue.writing.replace(true) {
        let platform_of_writer = platform.clone();
        platform.background.spawn(async move { write_all(&platform_of_writer).await }.boxed_local());
    }
}

/// Clears the queue's `writing` flag when the writer ends, so that the next row starts a new writer, also if this one
/// was cancelled.
struct Writing<'a>(&'a Queue);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.writing.set(false);
    }
}

async fn write_all(platform: &Platform) {
    let queue = &*platform.memory.one::<Queue>();
    let _writing = Writing(queue);
    platform.clock.sleep(GATHER).await;
    loop {
        let rows: Vec<AuditEvent> = {
            let mut waiting = queue.rows.borrow_mut();
            let count = waiting.len().min(ROWS);
            waiting.drain(..count).collect()
        };
        if rows.is_empty() {
            return;
        }
        let mut result = insert(platform, &rows).await;
        if result.is_err() {
            result = insert(platform, &rows).await;
        }
        if let Err(error) = result {
            log::error!("{} audit events are lost: {error}", rows.len());
        }
    }
}

#[derive(Serialize)]
struct AuditRow<'a> {
    id: &'a str,
    timestamp: i64,
    duration_ms: u64,
    request_id: &'a str,
    user_id: &'a str,
    user_email: Option<&'a str>,
    persona: Option<&'a str>,
    tool_name: &'a str,
    connection: Option<&'a str>,
    parameters: String,
    success: bool,
    error_message: Option<&'a str>,
    request_chars: u64,
    response_chars: u64,
    content_blocks: u64,
    authorized: bool,
}

async fn insert(platform: &Platform, events: &[AuditEvent]) -> Result<(), SqlError> {
    let rows: Vec<AuditRow<'_>> = events.iter().map(row).collect();
    let rows = serde_json::to_string(&rows).map_err(|error| SqlError::Other(error.to_string()))?;
    let statement = Statement::new(
        "-- audit_events.insert
        INSERT INTO audit_events (id, timestamp, duration_ms, request_id, user_id, user_email, persona, tool_name,
                                  toolkit_kind, connection, parameters, success, error_message, request_chars,
                                  response_chars, content_blocks, transport, source, authorized)
        SELECT value ->> '$.id', value ->> '$.timestamp', value ->> '$.duration_ms', value ->> '$.request_id',
               value ->> '$.user_id', value ->> '$.user_email', value ->> '$.persona', value ->> '$.tool_name',
               'mcp', value ->> '$.connection', value ->> '$.parameters', value ->> '$.success',
               value ->> '$.error_message', value ->> '$.request_chars', value ->> '$.response_chars',
               value ->> '$.content_blocks', 'http', 'mcp', value ->> '$.authorized'
        FROM json_each(?1 /* rows */)
        WHERE true
        ON CONFLICT (id) DO NOTHING",
    );
    platform.sql.execute(statement.bind(rows)).await
}

fn row(event: &AuditEvent) -> AuditRow<'_> {
    AuditRow {
        id: &event.id,
        timestamp: event.timestamp.millis(),
        duration_ms: event.duration_ms,
        request_id: &event.request_id,
        user_id: &event.user_id,
        user_email: event.user_email.as_deref(),
        persona: event.persona.as_deref(),
        tool_name: &event.tool_name,
        connection: event.connection.as_deref(),
        parameters: redact(&event.arguments),
        success: event.success,
        error_message: event.error_message.as_deref(),
        request_chars: event.request_chars,
        response_chars: event.response_chars,
        content_blocks: event.content_blocks,
        authorized: event.authorized,
    }
}
