//! The SQL port over rusqlite, in memory, with the project's migrations applied. The engine has D1's limits, so that a
//! statement which D1 would refuse fails here, too.

use std::cell::RefCell;
use std::ops::RangeBounds;
use std::path::Path;

use async_trait::async_trait;
use kernel::ports::{Row, Sql, SqlError, Statement, Value};
use rusqlite::Connection;
use rusqlite::limits::Limit;
use rusqlite::types::{Value as Native, ValueRef};

/// D1's limits (developers.cloudflare.com/d1/platform/limits). The first one is for strings, BLOBs and whole rows.
const D1_LIMITS: &[(Limit, i32)] = &[
    (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
];

/// An in-memory database.
pub struct Sqlite(RefCell<Connection>);

impl Sqlite {
    /// A database with every migration applied, in order.
    pub fn migrated() -> Self {
        let database = Self::empty();
        database.migrate(..);
        database
    }

    /// Applies the migrations in a range of their places in `migrations/`, the first of which is 0.
    pub fn migrate(&self, places: impl RangeBounds<usize>) {
        let connection = self.0.borrow();
        for (_, (name, sql)) in
            migrations().into_iter().enumerate().filter(|(place, _)| places.contains(place))
        {
            connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    /// A database without any table.
    pub fn empty() -> Self {
        let connection = Connection::open_in_memory().expect("SQLite opens in memory");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("foreign keys can be switched on");
        for (limit, value) in D1_LIMITS {
            connection.set_limit(*limit, *value).expect("the limit can be lowered");
        }
        Self(RefCell::new(connection))
    }

    /// The number of rows of `table`.
    pub fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.0.borrow().query_row(&sql, [], |row| row.get(0)).expect("the table exists")
    }

    /// Every text of every table, in which tests search for secrets.
    pub fn dump(&self) -> String {
        let connection = self.0.borrow();
        let mut tables = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .expect("the schema is readable");
        let names: Vec<String> =
            tables.query_map([], |row| row.get(0)).expect("names").collect::<Result<_, _>>().expect("names");
        names
            .iter()
            .map(|name| format!("{:?}\n", select(&connection, &format!("SELECT * FROM {name}"), &[])))
            .collect()
    }
}

/// Name and text of every migration, in order.
pub fn migrations() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("migrations/ is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("readable"))
    };
    files.iter().map(read).collect()
}

#[async_trait(?Send)]
impl Sql for Sqlite {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        let (columns, rows) = run(&self.0.borrow(), &statement)?;
        assert!(columns > 0, "rows are wanted, and there is no RETURNING: {}", statement.sql);
        Ok(rows)
    }

    async fn execute(&self, statement: Statement) -> Result<(), SqlError> {
        run(&self.0.borrow(), &statement).map(drop)
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        let mut connection = self.0.borrow_mut();
        let transaction = connection.transaction().map_err(failed)?;
        let rows = statements
            .iter()
            .map(|statement| run(&transaction, statement).map(|(_, rows)| rows))
            .collect::<Result<_, _>>()?;
        transaction.commit().map_err(failed)?;
        Ok(rows)
    }
}

/// Runs a statement. Returns the number of columns, and the rows.
fn run(connection: &Connection, statement: &Statement) -> Result<(usize, Vec<Row>), SqlError> {
    select(connection, statement.sql, &statement.params)
}

fn select(connection: &Connection, sql: &str, params: &[Value]) -> Result<(usize, Vec<Row>), SqlError> {
    let mut prepared = connection.prepare(sql).map_err(failed)?;
    let columns = prepared.column_count();
    let params = rusqlite::params_from_iter(params.iter().map(to_native));
    let mut rows = prepared.query(params).map_err(failed)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let values = (0..columns).map(|column| row.get_ref(column).map(to_value)).collect::<Result<_, _>>();
        all.push(Row(values.map_err(failed)?));
    }
    Ok((columns, all))
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

fn to_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

#[allow(clippy::needless_pass_by_value)] // `map_err` passes a value
fn failed(error: rusqlite::Error) -> SqlError {
    SqlError::classify(&error.to_string())
}
