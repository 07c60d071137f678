//! Table `api_keys`: the hashed API keys of a deployment's callers. Each belongs to a row of `principals`.
//!
//! A row with the name `bootstrap`, which earlier versions stored, is skipped: the key in the setting
//! `BOOTSTRAP_ADMIN_KEY` is compared with the setting itself.

use std::rc::Rc;

use crate::Platform;
use crate::model::api_key::{ApiKey, local_email, principal};
use kernel::memory::{FRESH, Family, Topic};
use kernel::ports::{Row, SqlError, Statement};
use kernel::{Error, Result};

/// API keys by public id, in the instance's memory.
struct Remembered;

impl Family for Remembered {
    type Key = String;
    type Value = Rc<ApiKey>;
    const TOPIC: Topic = Topic::Keys;

    fn bytes(id: &String, key: &Rc<ApiKey>) -> usize {
        let roles: usize = key.roles.iter().map(String::len).sum();
        id.len() + key.name.len() + key.email.len() + roles
    }
}

/// Returns the key with this public id, `None` if there is none. Reads the database only if the instance's memory has
/// no fresh copy.
pub async fn find(platform: &Platform, id: &str) -> Result<Option<Rc<ApiKey>>> {
    let now = platform.now();
    let cache = platform.memory.cache::<Remembered>();
    if let Some(key) = cache.get(id, now) {
        return Ok(Some(key));
    }
    let generation = cache.generation();
    let statement = Statement::new(
        "-- api_keys.find
        SELECT id, name, principal, hash, email, description, roles, expires_at FROM api_keys
        WHERE id = ?1 /* id */ AND name <> 'bootstrap'",
    );
    let rows = platform.sql.query(statement.bind(id)).await?;
    let Some(key) = rows.into_iter().next().map(from_row).transpose()?.map(Rc::new) else {
        return Ok(None);
    };
    cache.put(generation, id.to_owned(), Rc::clone(&key), now, FRESH);
    Ok(Some(key))
}

/// Stores a key and its principal. Fails with a conflict if another key has the name.
pub async fn insert(platform: &Platform, key: &ApiKey) -> Result<()> {
    let roles = serde_json::to_string(&key.roles).map_err(|error| Error::internal(error.to_string()))?;
    let owner = Statement::new(
        "-- api_keys.insert
        INSERT INTO principals (id, name, created_at) VALUES (?1 /* id */, ?2 /* name */, ?3 /* now */)",
    )
    .bind(key.principal.as_str())
    .bind(key.name.as_str())
    .bind(platform.now());
    let row = Statement::new(
        "-- api_keys.insert
        INSERT INTO api_keys (id, name, principal, hash, email, description, roles, created_at, expires_at)
        VALUES (?1 /* id */, ?2 /* name */, ?3 /* principal */, ?4 /* hash */, ?5 /* email */, ?6 /* description */,
                ?7 /* roles */, ?8 /* now */, ?9 /* expires_at */)",
    )
    .bind(key.id.as_str())
    .bind(key.name.as_str())
    .bind(key.principal.as_str())
    .bind(key.hash.as_str())
    .bind(key.email.as_str())
    .bind(key.description.as_deref())
    .bind(roles)
    .bind(platform.now())
    .bind(key.expires_at);
    match platform.sql.batch(vec![owner, row]).await {
        Ok(_) => {}
        Err(SqlError::Unique(_)) => {
            return Err(Error::duplicate(format!("key with name \"{}\" already exists", key.name)));
        }
        Err(error) => return Err(error.into()),
    }
    platform.forget_keys();
    Ok(())
}

/// Returns at most `limit` keys in the order of their names, after the first `offset` ones, and the number of all. The
/// key of the setting `BOOTSTRAP_ADMIN_KEY` is among them if `bootstrap` is set.
pub async fn list(
    platform: &Platform,
    limit: u32,
    offset: u64,
    bootstrap: bool,
) -> Result<(Vec<ApiKey>, i64)> {
    let page = Statement::new(
        "-- api_keys.list
        SELECT id, name, principal, hash, email, description, roles, expires_at FROM api_keys WHERE name <> 'bootstrap'
        UNION ALL
        SELECT '', 'bootstrap', 'apikey:bootstrap', '', NULL, NULL, '[\"admin\"]', NULL WHERE ?3 /* bootstrap */
        ORDER BY name LIMIT ?1 /* limit */ OFFSET ?2 /* offset */",
    )
    .bind(i64::from(limit))
    .bind(i64::try_from(offset).unwrap_or(i64::MAX >> 11))
    .bind(bootstrap);
    let count = Statement::new("-- api_keys.list\nSELECT count(*) FROM api_keys WHERE name <> 'bootstrap'");
    let mut results = platform.sql.batch(vec![page, count]).await?.into_iter();
    let keys = results.next().unwrap_or_default().into_iter().map(from_row).collect::<Result<_>>()?;
    let total = results.next().and_then(|rows| rows.into_iter().next());
    let total = total.map_or(Ok(0), |row| row.read().integer())?;
    Ok((keys, total + i64::from(bootstrap)))
}

/// Deletes the key `name`, the authorizations under way of its principal, and marks the principal as deleted, so that no
/// credential can be stored for it any more. Returns the principal's id; `None` if there is no such key.
pub async fn delete(platform: &Platform, name: &str) -> Result<Option<String>> {
    let principal = Statement::new(
        "-- api_keys.delete
        INSERT INTO principals (id, name, created_at, deleted_at)
        SELECT coalesce(principal, 'key:' || id), name, created_at, ?2 /* now */ FROM api_keys
        WHERE name = ?1 /* name */ AND name <> 'bootstrap'
        ON CONFLICT (id) DO UPDATE SET deleted_at = excluded.deleted_at",
    );
    let flows = Statement::new(
        "-- api_keys.delete
        DELETE FROM oauth_flows WHERE owner =
          (SELECT coalesce(principal, 'key:' || id) FROM api_keys WHERE name = ?1 /* name */ AND name <> 'bootstrap')",
    );
    let key = Statement::new(
        "-- api_keys.delete
        DELETE FROM api_keys WHERE name = ?1 /* name */ AND name <> 'bootstrap'
        RETURNING coalesce(principal, 'key:' || id)",
    );
    let batch = vec![principal.bind(name).bind(platform.now()), flows.bind(name), key.bind(name)];
    let deleted = platform.sql.batch(batch).await?.pop().unwrap_or_default();
    platform.forget_keys();
    platform.forget_credentials();
    deleted.into_iter().next().map(|row| row.read().text()).transpose()
}

fn from_row(row: Row) -> Result<ApiKey> {
    let mut row = row.read();
    let (id, name) = (row.text()?, row.text()?);
    Ok(ApiKey {
        principal: row.optional_text()?.unwrap_or_else(|| principal(&id)),
        hash: row.text()?,
        email: row.optional_text()?.unwrap_or_else(|| local_email(&name)),
        description: row.optional_text()?,
        roles: serde_json::from_str(&row.text()?).map_err(|error| Error::internal(error.to_string()))?,
        expires_at: row.optional_time()?,
        id,
        name,
    })
}
