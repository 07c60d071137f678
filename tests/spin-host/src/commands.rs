//! Orders that the host takes on stdin while it serves requests.

use anyhow::{Context as _, Result, bail};
use rusqlite::{params_from_iter, types};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{sqlite, storage::Storage};

/// One line of stdin.
#[derive(Deserialize)]
pub(crate) struct Order {
    pub(crate) id: Value,
    #[serde(flatten)]
    pub(crate) command: Command,
}

/// What an order asks for.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
pub(crate) enum Command {
    /// Runs one statement on the default database.
    Sql {
        sql: String,
        #[serde(default)]
        params: Vec<Value>,
    },
    /// Runs several statements in one transaction.
    Batch { statements: Vec<String> },
    /// Returns the entries of the default key-value store.
    Kv,
    /// Ends the host in order.
    Stop,
    /// Ends the host at once: nothing is flushed, no clean-up, no answer.
    Kill,
}

impl Command {
    /// Runs a command that does not end the host. Returns its result.
    pub(crate) fn run(self, storage: &Storage) -> Result<Value> {
        match self {
            Self::Sql { sql, params } => rows(&sqlite::open(&storage.database())?, &sql, &params),
            Self::Batch { statements } => {
                let mut database = sqlite::open(&storage.database())?;
                let transaction = database.transaction()?;
                let answers =
                    statements.iter().map(|sql| rows(&transaction, sql, &[])).collect::<Result<_>>()?;
                transaction.commit()?;
                Ok(Value::Array(answers))
            }
            Self::Kv => {
                let entries = storage.key_value().entries()?;
                let text = |value: Vec<u8>| json!(String::from_utf8_lossy(&value));
                Ok(entries.into_iter().map(|(key, value)| (key, text(value))).collect::<Map<_, _>>().into())
            }
            Self::Stop | Self::Kill => bail!("the host is ending"),
        }
    }
}

/// The line that answers an order.
pub(crate) fn answer(id: &Value, result: Result<Value>) -> Value {
    match result {
        Ok(result) => json!({"id": id, "ok": true, "result": result}),
        Err(error) => json!({"id": id, "ok": false, "error": format!("{error:#}")}),
    }
}

fn rows(database: &rusqlite::Connection, sql: &str, params: &[Value]) -> Result<Value> {
    let mut statement = database.prepare(sql)?;
    let names: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
    let params = params.iter().map(to_sql).collect::<Result<Vec<_>>>()?;
    let mut found = statement.query(params_from_iter(params))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let mut values = Map::new();
        for (index, name) in names.iter().enumerate() {
            values.insert(name.clone(), to_json(row.get(index)?));
        }
        rows.push(Value::Object(values));
    }
    Ok(rows.into())
}

fn to_sql(value: &Value) -> Result<types::Value> {
    Ok(match value {
        Value::Null => types::Value::Null,
        Value::Bool(flag) => i64::from(*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().context("not a number of SQLite")?.into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(_) | Value::Object(_) => {
            bail!("a parameter is neither a string, a number, a boolean nor null")
        }
    })
}

fn to_json(value: types::Value) -> Value {
    match value {
        types::Value::Null => Value::Null,
        types::Value::Integer(number) => number.into(),
        types::Value::Real(number) => number.into(),
        types::Value::Text(text) => text.into(),
        types::Value::Blob(bytes) => bytes.into(),
    }
}
