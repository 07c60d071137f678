//! The SQL port over Spin's SQLite database `default`.
//!
//! Each open connection is a SQLite connection of its own: `BEGIN IMMEDIATE … COMMIT` on one connection is atomic and
//! isolated, and dropping the connection rolls back what was not committed. Errors, even of syntax, arrive only in the
//! result that follows a statement's rows: the rows are read first, then the result is awaited, and only then may the
//! next statement start.
//!
//! An instance keeps idle connections for a few seconds. A connection whose statement failed, or whose request was
//! dropped, is closed instead.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::ports::{Row, Sql, SqlError, Statement, Value};
use spin_sdk::sqlite::{Connection, Error, Value as Native};

thread_local! {
    /// The idle connections, each with the time at which it became idle, the oldest first.
    static IDLE: RefCell<Vec<(Instant, Connection)>> = const { RefCell::new(Vec::new()) };
}

/// Most idle connections that an instance keeps.
const MOST_IDLE: usize = 8;
/// Longest idle time after which a connection is still used. A libSQL server forgets an idle connection after 10 s.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

pub(crate) struct SpinSqlite;

#[async_trait(?Send)]
impl Sql for SpinSqlite {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        let connection = open().await?;
        let rows = run(&connection, &statement).await?;
        keep(connection);
        Ok(rows)
    }

    async fn execute(&self, statement: Statement) -> Result<(), SqlError> {
        self.query(statement).await.map(drop)
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        let connection = open().await?;
        plain(&connection, "BEGIN IMMEDIATE").await?;
        let mut all = Vec::with_capacity(statements.len());
        for statement in &statements {
            match run(&connection, statement).await {
                Ok(rows) => all.push(rows),
                Err(error) => {
                    // Dropping the connection would roll back, too; an explicit rollback lets other connections write
                    // sooner.
                    let _ = plain(&connection, "ROLLBACK").await;
                    return Err(error);
                }
            }
        }
        plain(&connection, "COMMIT").await?;
        keep(connection);
        Ok(all)
    }
}

/// Switches the database to write-ahead logging, so that readers do not wait for a writer. The database file keeps the
/// setting; an engine that refuses the statement stays as it is.
pub(crate) async fn prepare() -> Result<(), SqlError> {
    let connection = open().await?;
    if let Err(error) = plain(&connection, "PRAGMA journal_mode = WAL").await {
        log::debug!("no write-ahead log: {error}");
        return Ok(());
    }
    keep(connection);
    Ok(())
}

async fn open() -> Result<Connection, SqlError> {
    if let Some(connection) = take_idle() {
        return Ok(connection);
    }
    let connection = Connection::open_default().await.map_err(failed)?;
    // Not every engine behind Spin's interface enforces foreign keys by default.
    plain(&connection, "PRAGMA foreign_keys = ON").await?;
    Ok(connection)
}

/// Takes the connection that became idle last, and closes those that have been idle for [`LONGEST_IDLE`] or longer.
fn take_idle() -> Option<Connection> {
    let now = now();
    IDLE.with_borrow_mut(|idle| {
        idle.retain(|(since, _)| now.duration_since(*since) < LONGEST_IDLE);
        idle.pop().map(|(_, connection)| connection)
    })
}

fn keep(connection: Connection) {
    let now = now();
    IDLE.with_borrow_mut(|idle| {
        if idle.len() < MOST_IDLE {
            idle.push((now, connection));
        }
    });
}

#[allow(clippy::disallowed_methods)] // WASI has a clock
fn now() -> Instant {
    Instant::now()
}

async fn plain(connection: &Connection, sql: &str) -> Result<(), SqlError> {
    connection.execute(sql, []).await.map_err(failed)?.collect().await.map_err(failed)?;
    Ok(())
}

async fn run(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, SqlError> {
    let params: Vec<Native> = statement.params.iter().map(to_native).collect();
    let result = connection.execute(statement.sql, params).await.map_err(failed)?;
    let rows = result.collect().await.map_err(failed)?;
    Ok(rows.into_iter().map(|row| Row(row.values.into_iter().map(to_value).collect())).collect())
}

fn to_native(value: &Value) -> Native {
    match value {
        Value::Null => Native::Null,
        Value::Integer(number) => Native::Integer(*number),
        Value::Real(number) => Native::Real(*number),
        Value::Text(text) => Native::Text(text.clone()),
        Value::Blob(bytes) => Native::Blob(bytes.clone()),
    }
}

fn to_value(value: Native) -> Value {
    match value {
        Native::Null => Value::Null,
        Native::Integer(number) => Value::Integer(number),
        Native::Real(number) => Value::Real(number),
        Native::Text(text) => Value::Text(text),
        Native::Blob(bytes) => Value::Blob(bytes),
    }
}

#[allow(clippy::needless_pass_by_value)] // `map_err` passes the error by value
fn failed(error: Error) -> SqlError {
    match error {
        Error::Io(text) => SqlError::classify(&text),
        other => SqlError::Other(format!("{other:?}")),
    }
}
