//! The behaviour of a libSQL server behind Spin's SQLite interface, on a local file.
//!
//! Imitated are libSQL's server and the client in Spin: they report no number of changes, refuse pragmas, close
//! connections that are idle, roll back transactions that stay open, and have their own form of errors. Not imitated
//! are the time of round trips, and SQL that the server's own parser does not know.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::Instant;

use crate::bindings::sqlite::Error;

/// The time limits of the server.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Remote {
    /// How long a connection may be idle, in milliseconds.
    idle_ms: u64,
    /// How long a transaction may be open, in milliseconds.
    transaction_ms: u64,
}

impl Default for Remote {
    fn default() -> Self {
        Self { idle_ms: 10_000, transaction_ms: 5_000 }
    }
}

/// The server's state of one connection.
pub(crate) struct Stream {
    rules: Remote,
    used: Instant,
    state: State,
    /// The number of the newest transaction. A timer ends only the transaction it was started for.
    transactions: u64,
}

#[derive(PartialEq)]
enum State {
    Ready,
    InTransaction,
    /// The transaction was rolled back; the next statement gets an error.
    TimedOut,
    Expired,
}

/// A connection that its timers use, too.
pub(crate) type Shared = Arc<Mutex<Open>>;

/// An open connection; `stream` is present when the database behaves as a libSQL server.
pub(crate) struct Open {
    pub(crate) database: rusqlite::Connection,
    pub(crate) stream: Option<Stream>,
}

impl Open {
    pub(crate) fn new(database: rusqlite::Connection, remote: Option<Remote>) -> Shared {
        let stream =
            remote.map(|rules| Stream { rules, used: Instant::now(), state: State::Ready, transactions: 0 });
        Arc::new(Mutex::new(Self { database, stream }))
    }

    /// Checks whether the server accepts this statement.
    ///
    /// # Errors
    /// The server's error when the connection expired, the transaction timed out, or the statement is refused.
    pub(crate) fn admit(&mut self, statement: &str) -> Result<(), Error> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if stream.state == State::Expired || stream.used.elapsed() > millis(stream.rules.idle_ms) {
            stream.state = State::Expired;
            undo(&self.database);
            return Err(expired());
        }
        stream.used = Instant::now();
        if stream.state == State::TimedOut {
            stream.state = State::Ready;
            return Err(refusal("Transaction timed out", "TRANSACTION_TIMEOUT"));
        }
        if changes_the_engine(statement) {
            let message = format!("SQL string could not be parsed: unsupported statement: {statement}");
            return Err(refusal(&message, "SQL_PARSE_ERROR"));
        }
        Ok(())
    }

    /// Records what a statement did to the transaction, and gives an error the server's form.
    pub(crate) fn conclude(&mut self, this: &Shared, result: Result<(), Error>) -> Result<(), Error> {
        let Some(stream) = &mut self.stream else { return result };
        stream.used = Instant::now();
        if self.database.is_autocommit() {
            stream.state = State::Ready;
        } else if stream.state == State::Ready {
            stream.state = State::InTransaction;
            stream.transactions += 1;
            end_later(this, millis(stream.rules.transaction_ms), stream.transactions);
        }
        result.map_err(|error| match error {
            Error::Io(text) => refusal(&format!("SQLite error: {text}"), code(&text)),
            other => other,
        })
    }

    /// Rolls back the transaction with this number if it is still open.
    fn time_out(&mut self, number: u64) {
        let Some(stream) = &mut self.stream else { return };
        if stream.state == State::InTransaction && stream.transactions == number {
            stream.state = State::TimedOut;
            undo(&self.database);
        }
    }
}

fn end_later(open: &Shared, limit: Duration, number: u64) {
    let open = Arc::downgrade(open);
    tokio::spawn(async move {
        tokio::time::sleep(limit).await;
        // The connection may be in use, so wait for it on a thread that may block.
        tokio::task::spawn_blocking(move || {
            if let Some(open) = open.upgrade() {
                open.lock().unwrap_or_else(PoisonError::into_inner).time_out(number);
            }
        });
    });
}

fn undo(database: &rusqlite::Connection) {
    // There may be no transaction.
    let _ = database.execute_batch("ROLLBACK");
}

/// Whether the statement sets a pragma that the server refuses: all but `foreign_keys` and `user_version`.
fn changes_the_engine(statement: &str) -> bool {
    let statement = statement.trim().to_ascii_lowercase();
    statement.strip_prefix("pragma").is_some_and(|pragma| {
        pragma.contains('=') && !["foreign_keys", "user_version"].iter().any(|name| pragma.contains(name))
    })
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn expired() -> Error {
    let body = r#"{"message":"The stream has expired due to inactivity","code":"STREAM_EXPIRED"}"#;
    Error::Io(format!("Hrana: `api error: `status=400 Bad Request, body={body}``"))
}

fn refusal(message: &str, code: &str) -> Error {
    Error::Io(format!("Hrana: `stream error: `Error {{ message: {message:?}, code: {code:?} }}``"))
}

fn code(text: &str) -> &'static str {
    match text {
        _ if text.contains("constraint failed") => "SQLITE_CONSTRAINT",
        _ if text.contains("locked") => "SQLITE_BUSY",
        _ => "SQLITE_UNKNOWN",
    }
}
