//! `spin:sqlite`: every open is a connection of its own to the one database file, under the rules of `remote` if the
//! host was started with them.

use std::{
    path::Path,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{limits::Limit, params_from_iter, types};
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use crate::{
    bindings::sqlite::{Error, Host, HostConnection, HostConnectionWithStore, QueryResult, RowResult, Value},
    guest::{Guest, Spin},
    remote::{Open, Shared},
    stream::Receiver,
};

/// What a guest's handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Connection(Shared);

type Executed = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

/// Opens the database as Spin does.
pub(crate) fn open(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    const BUSY: Duration = Duration::from_secs(5);
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Gives a connection the limits of D1, which Spin does not have: what fails on Cloudflare then fails here, too.
pub(crate) fn limit_as_d1(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
        (Limit::SQLITE_LIMIT_COLUMN, 100),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    ] {
        connection.set_limit(limit, value)?;
    }
    Ok(())
}

impl Connection {
    fn run(
        &self,
        statement: &str,
        parameters: Vec<Value>,
        columns: impl FnOnce(Vec<String>),
        mut row: impl FnMut(RowResult) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut open = self.lock();
        open.admit(statement)?;
        let run = || {
            let mut statement = open.database.prepare_cached(statement).map_err(io)?;
            columns(statement.column_names().map(ToOwned::to_owned).collect());
            let count = statement.column_count();
            let parameters = params_from_iter(parameters.into_iter().map(types::Value::from));
            let mut rows = statement.query(parameters).map_err(io)?;
            while let Some(found) = rows.next().map_err(io)? {
                let values = (0..count).map(|index| found.get(index).map(|value: types::Value| value.into()));
                row(RowResult { values: values.collect::<Result<_, _>>().map_err(io)? })?;
            }
            Ok(())
        };
        let result = run();
        open.conclude(&self.0, result)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    fn open_database(&mut self, name: &str) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        if !self.component.databases.contains(name) {
            return Ok(Err(Error::AccessDenied));
        }
        if !self.connections.take() {
            return Ok(Err(Error::Io("too many connections opened".to_owned())));
        }
        match self.storage.connect() {
            Ok(database) => {
                Ok(Ok(self.table.push(Connection(Open::new(database, self.storage.remote())))?))
            }
            Err(error) => {
                self.connections.give_back();
                Ok(Err(io(error)))
            }
        }
    }

    fn connection(&self, handle: &Resource<Connection>) -> wasmtime::Result<Connection> {
        Ok(Connection(self.table.get(handle)?.0.clone()))
    }
}

impl Host for Guest {}

impl HostConnection for Guest {
    fn open(&mut self, database: String) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        self.open_database(&database)
    }

    fn execute(
        &mut self,
        handle: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        let collect = |row| {
            rows.push(row);
            Ok(())
        };
        let result = self.connection(&handle)?.run(&statement, parameters, |names| columns = names, collect);
        Ok(result.map(|()| QueryResult { columns, rows }))
    }

    fn last_insert_rowid(&mut self, handle: Resource<Connection>) -> wasmtime::Result<i64> {
        Ok(self.connection(&handle)?.lock().database.last_insert_rowid())
    }

    fn changes(&mut self, handle: Resource<Connection>) -> wasmtime::Result<u64> {
        let connection = self.connection(&handle)?;
        let open = connection.lock();
        Ok(if open.stream.is_some() { 0 } else { open.database.changes() })
    }

    fn drop(&mut self, handle: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        self.connections.give_back();
        Ok(())
    }
}

impl<T> HostConnectionWithStore<T> for Spin {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        database: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        accessor.with(|mut access| access.get().open_database(&database))
    }

    /// Answers as soon as the columns are known. What goes wrong in preparing or running the statement is told
    /// by the future alone, after the last row.
    async fn execute_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Executed, Error>> {
        const ROWS_AHEAD: usize = 4;
        let connection = accessor.with(|mut access| access.get().connection(&handle))?;
        let (columns_sender, columns) = oneshot::channel();
        let (rows_sender, rows) = mpsc::channel(ROWS_AHEAD);
        let work = tokio::task::spawn_blocking(move || {
            // Whoever asked may have lost interest: the statement runs all the same, but its rows end here.
            let tell = |names| drop(columns_sender.send(names));
            let send = |row| {
                rows_sender
                    .blocking_send(row)
                    .map_err(|_| Error::Io("the rows are no longer read".to_owned()))
            };
            connection.run(&statement, parameters, tell, send)
        });
        let columns = columns.await.unwrap_or_default();
        let result = async { wasmtime::error::Ok(work.await.unwrap_or_else(|error| Err(io(error)))) };
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, Receiver(rows))?;
            let result = FutureReader::new(&mut access, result)?;
            Ok(Ok((columns, rows, result)))
        })
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        accessor.with(|mut access| HostConnection::last_insert_rowid(access.get(), handle))
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        accessor.with(|mut access| HostConnection::changes(access.get(), handle))
    }
}

fn io(error: impl std::fmt::Display) -> Error {
    Error::Io(error.to_string())
}

impl From<Value> for types::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Blob(bytes),
            Value::Null => Self::Null,
        }
    }
}

impl From<types::Value> for Value {
    fn from(value: types::Value) -> Self {
        match value {
            types::Value::Integer(number) => Self::Integer(number),
            types::Value::Real(number) => Self::Real(number),
            types::Value::Text(text) => Self::Text(text),
            types::Value::Blob(bytes) => Self::Blob(bytes),
            types::Value::Null => Self::Null,
        }
    }
}
