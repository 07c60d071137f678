//! The SQL port. SQL text is written only in `store`.
//!
//! `batch` is the only transaction that D1 and Spin's SQLite both give: all statements or none, in order, without
//! feeding one's rows into the next. Conditions therefore go into the SQL itself (`INSERT … ON CONFLICT`,
//! `UPDATE … WHERE`, `DELETE … RETURNING`). A statement has at most 100 parameters (D1's limit): a list travels
//! as one JSON text through `json_each`.
//!
//! A write tells by the rows of its RETURNING clause what it did. No port gives a number of changed rows: libSQL behind
//! Spin reports 0 for every statement.

use async_trait::async_trait;

/// One value in or out of the database.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A whole number; exact within ±2^53, the range that every runtime can carry.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
impl From<crate::time::Timestamp> for Value {
    fn from(value: crate::time::Timestamp) -> Self {
        Self::Integer(value.millis())
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// SQL text with its parameters `?1`, `?2`, ….
#[derive(Clone, Debug)]
pub struct Statement {
    /// The text; its first line is a comment that names the function it belongs to.
    pub sql: &'static str,
    /// Parameter `?1` first.
    pub params: Vec<Value>,
}

impl Statement {
    /// A statement without parameters yet.
    pub fn new(sql: &'static str) -> Self {
        Self { sql, params: Vec::new() }
    }

    /// Adds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }
}

/// One result row, its values in the order of the SELECT or RETURNING list.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// Reads the values one after the other.
    pub fn read(self) -> Reader {
        Reader { values: self.0.into_iter(), column: 0 }
    }
}

/// Takes a row apart, column by column, in order.
pub struct Reader {
    values: std::vec::IntoIter<Value>,
    column: usize,
}

impl Reader {
    fn next(&mut self) -> Value {
        self.column += 1;
        self.values.next().unwrap_or(Value::Null)
    }

    fn mismatch<T>(&self, wanted: &str) -> crate::Result<T> {
        Err(crate::Error::internal(format!("column {} is not {wanted}", self.column)))
    }

    /// The next column, NOT NULL text.
    pub fn text(&mut self) -> crate::Result<String> {
        match self.next() {
            Value::Text(text) => Ok(text),
            _ => self.mismatch("text"),
        }
    }

    /// The next column, text or NULL.
    pub fn optional_text(&mut self) -> crate::Result<Option<String>> {
        match self.next() {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => self.mismatch("text or NULL"),
        }
    }

    /// The next column, NOT NULL integer.
    pub fn integer(&mut self) -> crate::Result<i64> {
        match self.optional_integer()? {
            Some(number) => Ok(number),
            None => self.mismatch("an integer"),
        }
    }

    /// The next column, integer or NULL. JavaScript has one number type, so a whole REAL counts.
    #[allow(clippy::cast_possible_truncation)] // guarded: whole and within ±2^53
    pub fn optional_integer(&mut self) -> crate::Result<Option<i64>> {
        match self.next() {
            Value::Integer(number) => Ok(Some(number)),
            Value::Real(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
                Ok(Some(number as i64))
            }
            Value::Null => Ok(None),
            _ => self.mismatch("an integer or NULL"),
        }
    }

    /// The next column, milliseconds since the epoch.
    pub fn time(&mut self) -> crate::Result<crate::time::Timestamp> {
        self.integer().map(crate::time::Timestamp::from_millis)
    }

    /// The next column, milliseconds since the epoch or NULL.
    pub fn optional_time(&mut self) -> crate::Result<Option<crate::time::Timestamp>> {
        Ok(self.optional_integer()?.map(crate::time::Timestamp::from_millis))
    }
}

/// Why the database refused. Runtimes report by text only; `classify` is the one place that reads it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SqlError {
    /// A UNIQUE or PRIMARY KEY constraint, with the columns as SQLite names them (`integrations.name`).
    #[error("unique constraint on {0}")]
    Unique(String),
    /// Another constraint: FOREIGN KEY, CHECK, NOT NULL.
    #[error("constraint: {0}")]
    Constraint(String),
    /// Overloaded or unreachable; nothing was written.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Anything else: a defect in our SQL or schema.
    #[error("database error: {0}")]
    Other(String),
}

impl SqlError {
    /// Reads a runtime's error text (SQLite's wording, in D1 and libSQL with a prefix and a suffix around it).
    pub fn classify(text: &str) -> Self {
        const UNIQUE: &str = "UNIQUE constraint failed: ";
        const TRANSIENT: [&str; 8] = [
            "database is locked",
            "Network connection lost",
            "storage caused object to be reset",
            "reset because its code was updated",
            "overloaded",
            "D1 DB is overloaded",
            // libSQL: the connection was idle, or its transaction open, for too long.
            "STREAM_EXPIRED",
            "TRANSACTION_TIMEOUT",
        ];
        if let Some((_, columns)) = text.split_once(UNIQUE) {
            let is_name = |character: char| character.is_alphanumeric() || "_., ".contains(character);
            let columns = columns.split(|character| !is_name(character)).next().unwrap_or(columns);
            return Self::Unique(columns.trim().to_owned());
        }
        if text.contains("constraint failed") {
            return Self::Constraint(text.to_owned());
        }
        if TRANSIENT.iter().any(|sign| text.contains(sign)) {
            return Self::Unavailable(text.to_owned());
        }
        Self::Other(text.to_owned())
    }
}

impl From<SqlError> for crate::Error {
    fn from(error: SqlError) -> Self {
        let code = match error {
            SqlError::Unavailable(_) => crate::Code::Unavailable,
            _ => crate::Code::Internal,
        };
        let message =
            if code == crate::Code::Unavailable { "the store is unavailable" } else { "internal error" };
        Self::new(code, message).with_internal(error.to_string())
    }
}

/// The database.
#[async_trait(?Send)]
pub trait Sql {
    /// Runs one statement and gives its rows.
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError>;
    /// Runs one statement whose rows nobody wants.
    async fn execute(&self, statement: Statement) -> Result<(), SqlError>;
    /// Runs all statements in order, atomically: when one fails, none has happened. Gives each one's rows.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_columns_out_of_every_runtimes_text() {
        for text in [
            "UNIQUE constraint failed: integrations.name",
            "D1_ERROR: UNIQUE constraint failed: integrations.name: SQLITE_CONSTRAINT",
            "D1_ERROR: UNIQUE constraint failed: integrations.name: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
            r#"Hrana: `stream error: `Error { message: "SQLite error: UNIQUE constraint failed: integrations.name", code: "SQLITE_CONSTRAINT" }``"#,
        ] {
            assert_eq!(SqlError::classify(text), SqlError::Unique("integrations.name".into()), "{text}");
        }
    }

    #[test]
    fn tells_transient_from_permanent() {
        let expired = r#"Hrana: `api error: `{"message":"The stream has expired due to inactivity","code":"STREAM_EXPIRED"}``"#;
        for text in ["D1_ERROR: Network connection lost.", expired] {
            assert!(matches!(SqlError::classify(text), SqlError::Unavailable(_)), "{text}");
        }
        assert!(matches!(SqlError::classify("near \"SELEC\": syntax error"), SqlError::Other(_)));
        assert!(matches!(SqlError::classify("FOREIGN KEY constraint failed"), SqlError::Constraint(_)));
    }

    #[test]
    fn a_whole_real_reads_as_an_integer_and_a_fraction_does_not() {
        assert_eq!(Row(vec![Value::Real(3.0)]).read().integer().unwrap(), 3);
        assert!(Row(vec![Value::Real(3.5)]).read().integer().is_err());
        assert!(Row(vec![]).read().text().is_err());
    }
}
