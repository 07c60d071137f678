//! Table `api_keys`: the hashed API keys of a deployment's callers.

use std::rc::Rc;

use crate::Platform;
use crate::model::api_key::ApiKey;
use kernel::memory::{FRESH, Family, Topic};
use kernel::ports::{Row, SqlError, Statement};
use kernel::{Error, Result};

/// API keys by public id, in the instance's memory.
struct Remembered;

impl Family for Remembered {
    type Key = String;
    type Value = Rc<ApiKey>;
    const TOPIC: Topic = Topic::Unchanging;

    fn bytes(id: &String, key: &Rc<ApiKey>) -> usize {
        let roles: usize = key.roles.iter().map(String::len).sum();
        id.len() + key.name.len() + key.email.as_ref().map_or(0, String::len) + roles
    }
}

/// Returns the key with this public id, `None` if there is none. Reads the database only if the instance's memory has
/// no fresh copy.
pub async fn find(platform: &Platform, id: &str) -> Result<Option<Rc<ApiKey>>> {
    let now = platform.now();
    if let Some(key) = platform.memory.cache::<Remembered>().get(id, now) {
        return Ok(Some(key));
    }
    let statement = Statement::new(
        "-- api_keys.find
        SELECT id, name, hash, email, roles, expires_at FROM api_keys WHERE id = ?1 /* id */",
    );
    let rows = platform.sql.query(statement.bind(id)).await?;
    let Some(key) = rows.into_iter().next().map(from_row).transpose()?.map(Rc::new) else {
        return Ok(None);
    };
    platform.memory.cache::<Remembered>().put(id.to_owned(), Rc::clone(&key), now, FRESH);
    Ok(Some(key))
}

/// Stores a key. Fails with a conflict if another key has the name.
pub async fn insert(platform: &Platform, key: &ApiKey) -> Result<()> {
    let statement = Statement::new(
        "-- api_keys.insert
        INSERT INTO api_keys (id, name, hash, email, roles, created_at, expires_at)
        VALUES (?1 /* id */, ?2 /* name */, ?3 /* hash */, ?4 /* email */, ?5 /* roles */, ?6 /* now */, ?7 /* expires_at */)",
    );
    match platform.sql.execute(bind(platform, statement, key)?).await {
        Ok(()) => Ok(()),
        Err(SqlError::Unique(_)) => Err(Error::conflict("a key with this name already exists")),
        Err(error) => Err(error.into()),
    }
}

/// Stores `key` if the table is empty. Returns `true` if the row was stored.
pub async fn insert_first(platform: &Platform, key: &ApiKey) -> Result<bool> {
    let statement = Statement::new(
        "-- api_keys.insert_first
        INSERT INTO api_keys (id, name, hash, email, roles, created_at, expires_at)
        SELECT ?1 /* id */, ?2 /* name */, ?3 /* hash */, ?4 /* email */, ?5 /* roles */, ?6 /* now */, ?7 /* expires_at */
        WHERE NOT EXISTS (SELECT 1 FROM api_keys)
        RETURNING id",
    );
    Ok(!platform.sql.query(bind(platform, statement, key)?).await?.is_empty())
}

fn bind(platform: &Platform, statement: Statement, key: &ApiKey) -> Result<Statement> {
    let roles = serde_json::to_string(&key.roles).map_err(|error| Error::internal(error.to_string()))?;
    Ok(statement
        .bind(key.id.as_str())
        .bind(key.name.as_str())
        .bind(key.hash.as_str())
        .bind(key.email.as_deref())
        .bind(roles)
        .bind(platform.now())
        .bind(key.expires_at))
}

fn from_row(row: Row) -> Result<ApiKey> {
    let mut row = row.read();
    Ok(ApiKey {
        id: row.text()?,
        name: row.text()?,
        hash: row.text()?,
        email: row.optional_text()?,
        roles: serde_json::from_str(&row.text()?).map_err(|error| Error::internal(error.to_string()))?,
        expires_at: row.optional_time()?,
    })
}
