//! Table `schema_versions`: which migrations the database has.

use crate::platform::Statement;
use crate::{Code, Error, Platform, Result};

/// The newest migration that this code knows.
pub const VERSION: i64 = 1;

/// The database's version. An error when it is older or newer than the code: old code must not write to a schema
/// it does not know.
pub async fn check(platform: &Platform) -> Result<i64> {
    let statement = Statement::new("-- schema.check\nSELECT max(version) FROM schema_versions");
    let found = match platform.sql.query(statement).await {
        Ok(rows) => {
            rows.into_iter().next().map_or(Ok(None), |row| row.read().optional_integer())?.unwrap_or(0)
        }
        Err(error) => return Err(not_ready("the database has no schema").with_internal(error.to_string())),
    };
    match found {
        VERSION => Ok(found),
        0..VERSION => Err(not_ready("the database schema is older than this version: apply the migrations")),
        _ => Err(not_ready("the database schema is newer than this version")),
    }
}

fn not_ready(message: &'static str) -> Error {
    Error::new(Code::NotConfigured, message)
}
