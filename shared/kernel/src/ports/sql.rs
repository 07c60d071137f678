//! The SQL port: statements, rows, errors, and the trait of the database. SQL text is written only in
//! `shared/core/src/store`.
//!
//! `batch` is the only transaction that both D1 and Spin's SQLite offer: all statements run in order, or none does,
//! and no statement can use the rows of an earlier one. Conditions therefore go into the SQL itself
//! (`INSERT … ON CONFLICT`, `UPDATE … WHERE`, `DELETE … RETURNING`). A statement has at most 100 parameters (D1's
//! limit), so a list is passed as one JSON text, which the statement reads with `json_each`.
//!
//! The rows of a write's RETURNING clause say what the write did. The port does not report a number of changed rows, because
//! libSQL behind Spin reports 0 for every statement.

use async_trait::async_trait;

/// A parameter of a statement, or a value of a row.
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
    /// The SQL text. Its first line is a comment that names the function that the statement belongs to.
    pub sql: &'static str,
    /// The parameters, `?1` first.
    pub params: Vec<Value>,
}

impl Statement {
    /// Creates a statement that has no parameters yet.
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

/// One row of a result, with its values in the order of the SELECT or RETURNING list.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// Returns a reader of the row's values.
    pub fn read(self) -> Reader {
        Reader { values: self.0.into_iter(), column: 0 }
    }
}

/// Reads the columns of a row in their order. Each method returns the next column and fails if its type is another;
/// behind the last column, all values are NULL.
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

    /// Returns the next column: text, not NULL.
    pub fn text(&mut self) -> crate::Result<String> {
        match self.next() {
            Value::Text(text) => Ok(text),
            _ => self.mismatch("text"),
        }
    }

    /// Returns the next column: text or NULL.
    pub fn optional_text(&mut self) -> crate::Result<Option<String>> {
        match self.next() {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => self.mismatch("text or NULL"),
        }
    }

    /// Returns the next column: an integer, not NULL.
    pub fn integer(&mut self) -> crate::Result<i64> {
        match self.optional_integer()? {
            Some(number) => Ok(number),
            None => self.mismatch("an integer"),
        }
    }

    /// Returns the next column: an integer or NULL. JavaScript has only one number type, so a REAL without a fraction
    /// counts as an integer.
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

    /// Returns the next column: milliseconds since the Unix epoch.
    pub fn time(&mut self) -> crate::Result<crate::time::Timestamp> {
        self.integer().map(crate::time::Timestamp::from_millis)
    }

    /// Returns the next column: milliseconds since the Unix epoch, or NULL.
    pub fn optional_time(&mut self) -> crate::Result<Option<crate::time::Timestamp>> {
        Ok(self.optional_integer()?.map(crate::time::Timestamp::from_millis))
    }
}

/// Why a statement failed. Runtimes report a failure as text only; [`SqlError::classify`] is the one function that
/// reads that text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SqlError {
    /// The statement breaks a UNIQUE or PRIMARY KEY constraint; the columns, as SQLite names them
    /// (`integrations.name`).
    #[error("unique constraint on {0}")]
    Unique(String),
    /// The statement breaks another constraint: FOREIGN KEY, CHECK, NOT NULL.
    #[error("constraint: {0}")]
    Constraint(String),
    /// The database is overloaded or unreachable; nothing was written.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Any other failure: a defect in Postern's SQL or schema.
    #[error("database error: {0}")]
    Other(String),
}

impl SqlError {
    /// Returns the kind of failure for a runtime's error text. The wording is SQLite's; D1 and libSQL put a prefix
    /// and a suffix around it.
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
    /// Runs one statement and returns its rows.
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError>;
    /// Runs one statement whose rows are not needed.
    async fn execute(&self, statement: Statement) -> Result<(), SqlError>;
    /// Runs all statements in order, in one transaction: if one fails, none has an effect. Returns the rows of each.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_read_from_every_runtimes_text() {
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
    fn transient_failures_are_told_from_permanent_ones() {
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
