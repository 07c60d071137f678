//! The SQL port over Spin's SQLite database `default`.
//!
//! Each open connection is SQLite's own, so `BEGIN IMMEDIATE … COMMIT` on one of them is atomic and isolated, and dropping
//! it undoes what was not committed. Errors, of syntax too, arrive only in a statement's trailing result: rows are
//! drained first, then the result is awaited, then the next statement may start.
//!
//! Idle connections are kept by the instance, for a few seconds. One whose statement failed, or whose request went away,
//! is not given back.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::ports::{Row, Sql, SqlError, Statement, Value};
use spin_sdk::sqlite::{Connection, Error, Value as Native};

thread_local! {
    /// With the moment when each was given back, the oldest first.
    static IDLE: RefCell<Vec<(Instant, Connection)>> = const { RefCell::new(Vec::new()) };
}

/// Connections kept for later.
const MOST_IDLE: usize = 8;
/// How long a connection may have been idle and still be used. A libSQL server forgets one after 10 s.
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
                    // Dropping the connection would undo it too; doing it now lets others write sooner.
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

/// Lets readers go on while somebody writes, from now on. The file remembers it; an engine that knows better stays as it is.
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
    // Not every engine behind this interface has it on by itself.
    plain(&connection, "PRAGMA foreign_keys = ON").await?;
    Ok(connection)
}

/// The connection that was given back last; those that have been idle for too long are closed.
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

#[allow(clippy::needless_pass_by_value)] // the shape that map_err wants
fn failed(error: Error) -> SqlError {
    match error {
        Error::Io(text) => SqlError::classify(&text),
        other => SqlError::Other(format!("{other:?}")),
    }
}
