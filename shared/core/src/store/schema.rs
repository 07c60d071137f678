//! Table `schema_versions`: which migrations the database has, and applying the missing ones where no tool does that.
//!
//! On Cloudflare `wrangler` applies the files of `migrations/`; on Spin Postern applies them at an instance's first
//! request. Each file is one batch whose last statement records the file's number. So if two instances start at once,
//! one batch succeeds, and the other instance finds the number recorded.

use crate::Platform;
use kernel::ports::{SqlError, Statement};
use kernel::{Code, Error, Result};

/// The files of `migrations/`, in order.
pub const MIGRATIONS: [&str; 10] = [
    include_str!("../../../../migrations/0001_first_slice.sql"),
    include_str!("../../../../migrations/0002_registry.sql"),
    include_str!("../../../../migrations/0003_oauth.sql"),
    include_str!("../../../../migrations/0004_catalogue_entries.sql"),
    include_str!("../../../../migrations/0005_installed_again.sql"),
    include_str!("../../../../migrations/0006_audit_kinds.sql"),
    include_str!("../../../../migrations/0007_principals.sql"),
    include_str!("../../../../migrations/0008_origins_and_order.sql"),
    include_str!("../../../../migrations/0009_confirmation.sql"),
    include_str!("../../../../migrations/0010_limits.sql"),
];

/// Number of the newest migration that this code knows.
#[allow(clippy::cast_possible_wrap)] // a handful of files
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// Returns the database's version. Fails if the database is older or newer than the code: old code must not write to
/// a schema that it does not know.
pub async fn check(platform: &Platform) -> Result<i64> {
    match version(platform).await? {
        VERSION => Ok(VERSION),
        0 => Err(not_ready("the database has no schema: apply the migrations")),
        older if older < VERSION => {
            Err(not_ready("the database schema is older than this version: apply the migrations"))
        }
        _ => Err(not_ready("the database schema is newer than this version")),
    }
}

/// Applies the missing migrations. Safe to call from several instances at once. Fails if the database is newer than
/// the code.
pub async fn migrate(platform: &Platform) -> Result<()> {
    loop {
        let found = version(platform).await?;
        let next = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found));
        let Some(migration) = next else { return check(platform).await.map(|_| ()) };
        if let Err(error) = platform.sql.batch(statements(migration)).await
            && version(platform).await? <= found
        {
            return Err(error.into());
        }
    }
}

/// Splits a file into its statements: each ends with `;` at the end of a line (see `migrations/README.md`).
fn statements(migration: &'static str) -> Vec<Statement> {
    migration
        .split(";\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(Statement::new)
        .collect()
}

/// Returns the newest recorded version, 0 for a database without any schema.
async fn version(platform: &Platform) -> Result<i64> {
    let statement = Statement::new("-- schema.version\nSELECT max(version) FROM schema_versions");
    match platform.sql.query(statement).await {
        Ok(rows) => {
            let found = rows.into_iter().next().map(|row| row.read().optional_integer()).transpose()?;
            Ok(found.flatten().unwrap_or(0))
        }
        Err(SqlError::Other(text)) if text.contains("no such table") => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn not_ready(message: &'static str) -> Error {
    Error::new(Code::NotConfigured, message)
}
