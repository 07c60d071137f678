//! Filling a registry: rows as Postern writes them, as many as wanted, the same in every database.
//!
//! The rows are copies of two that a Postern wrote; they differ in what must differ: id, slug, name, URL and times. All
//! of it follows from a row's number, so that an answer can be checked.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use kernel::ports::Value;

use super::native::{Native, Record};

/// A statement's rows: small enough for every database's limits.
const PIECE: usize = 10_000;
/// Milliseconds between two creations.
const STEP: i64 = 1000;
/// The year 2100: not due in any benchmark.
const NEVER: i64 = 4_102_444_800_000;

/// Two kinds of rows, which alternate.
pub(super) struct Seeds {
    /// For even numbers, then for odd ones.
    kinds: [Kind; 2],
    due: bool,
}

struct Kind {
    integration: Record,
    credential: Option<Record>,
}

impl Seeds {
    /// Copies of the two integrations with these ids, with the credentials that belong to them. When they are not
    /// `due`, no scheduled validation will touch them.
    pub(super) async fn of(native: &Native, ids: [&str; 2], due: bool) -> Result<Self> {
        let [even, odd] = ids;
        Ok(Self { kinds: [Kind::of(native, even).await?, Kind::of(native, odd).await?], due })
    }

    /// Statements that write the rows 1 to `count`, the last one created at `now`.
    pub(super) fn statements(&self, count: usize, now: i64) -> Result<Vec<String>> {
        let born = now - i64::try_from(count)? * STEP;
        let mut statements = Vec::new();
        for first in (1..=count).step_by(PIECE) {
            let last = count.min(first + PIECE - 1);
            let rows = format!(
                "WITH RECURSIVE seed(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM seed WHERE n < {last})"
            );
            let columns = self.integration(born)?;
            statements.push(insert("integrations", &columns, &rows, ""));
            for (kind, remainder) in self.kinds.iter().zip(0..) {
                if let Some(credential) = &kind.credential {
                    let columns = credential_columns(credential);
                    statements.push(insert(
                        "credentials",
                        &columns,
                        &rows,
                        &format!("WHERE n % 2 = {remainder}"),
                    ));
                }
            }
        }
        Ok(statements)
    }

    /// Columns of `integrations`, each with the expression that gives its value.
    fn integration(&self, born: i64) -> Result<Vec<(String, String)>> {
        let [even, odd] = &self.kinds;
        ensure!(even.integration.len() == odd.integration.len(), "rows of different shapes");
        let both = even.integration.iter().zip(&odd.integration);
        let columns = both.map(|((column, even), (_, odd))| {
            let expression = match column.as_str() {
                "id" => uuid_expression('8'),
                "slug" => "printf('seed-%06d', n)".to_owned(),
                "name" => "printf('Seed %06d', n)".to_owned(),
                "url" => format!("{} || '&n=' || n", either(even, odd)),
                "created_at" | "updated_at" => format!("{born} + n * {STEP}"),
                "next_validation_at" if !self.due => NEVER.to_string(),
                _ => either(even, odd),
            };
            (column.clone(), expression)
        });
        Ok(columns.collect())
    }
}

impl Kind {
    async fn of(native: &Native, id: &str) -> Result<Self> {
        let integration = native.row("integrations", &format!("id = '{id}'")).await?;
        let condition = format!("integration_id = '{id}'");
        let sql = format!("SELECT id FROM credentials WHERE {condition}");
        let credential = match native.texts(sql).await?.as_slice() {
            [] => None,
            _ => Some(native.row("credentials", &condition).await?),
        };
        let url = integration.iter().find(|(column, _)| column == "url").map(|(_, value)| value);
        let queried = matches!(url, Some(Value::Text(url)) if url.contains('?'));
        ensure!(queried, "a seed's URL needs a query, to which the number is added");
        Ok(Self { integration, credential })
    }
}

/// The sealed text stays another row's: it has the right size, and nothing in the benchmark opens it.
fn credential_columns(credential: &Record) -> Vec<(String, String)> {
    let columns = credential.iter().map(|(column, value)| {
        let expression = match column.as_str() {
            "id" => uuid_expression('9'),
            "integration_id" => uuid_expression('8'),
            _ => literal(value),
        };
        (column.clone(), expression)
    });
    columns.collect()
}

fn insert(table: &str, columns: &[(String, String)], rows: &str, condition: &str) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let expressions: Vec<_> = columns.iter().map(|(_, expression)| expression.as_str()).collect();
    let (names, expressions) = (names.join(", "), expressions.join(", "));
    format!("INSERT INTO {table} ({names}) {rows} SELECT {expressions} FROM seed {condition}")
}

fn either(even: &Value, odd: &Value) -> String {
    if even == odd {
        literal(even)
    } else {
        format!("CASE n % 2 WHEN 0 THEN {} ELSE {} END", literal(even), literal(odd))
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => {
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            format!("x'{hex}'")
        }
    }
}

/// What [`id`] computes, in SQL. Neighbours in time are no neighbours in the index, as with random ids.
fn uuid_expression(variant: char) -> String {
    format!(
        "printf('%08x-%04x-4%03x-{variant}%03x-%012x', \
         (n * 2654435761) & 4294967295, n & 65535, (n * 40503) & 4095, (n * 30011) & 4095, n)"
    )
}

/// The id of a row.
pub(super) fn id(number: usize) -> String {
    let n = number as u64;
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{n:012x}",
        (n * 2_654_435_761) & 0xffff_ffff,
        n & 0xffff,
        (n * 40_503) & 0xfff,
        (n * 30_011) & 0xfff
    )
}

/// The name of a row.
pub(super) fn name(number: usize) -> String {
    format!("Seed {number:06}")
}
