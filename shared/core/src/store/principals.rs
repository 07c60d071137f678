//! Table `principals`: what credentials, authorizations under way, sessions and audit rows belong to.
//!
//! A row stays when its key is deleted (see `store::api_keys`): statements that store credentials refuse owners whose row
//! has `deleted_at`, and [`ending`] finds what such an owner still has.

use crate::Platform;
use kernel::Result;
use kernel::ports::Statement;

/// Returns the name of the key that stands for the principal `id`; `None` if the key was deleted or has expired.
pub async fn live_name(platform: &Platform, id: &str) -> Result<Option<String>> {
    let statement = Statement::new(
        "-- principals.live_name
        SELECT name FROM api_keys
        WHERE (principal = ?1 /* principal */ OR (id = ?2 /* public id */ AND principal IS NULL))
          AND name <> 'bootstrap' AND (expires_at IS NULL OR expires_at > ?3 /* now */)
        LIMIT 1",
    );
    let public_id = id.strip_prefix("key:").unwrap_or_default();
    let rows = platform.sql.query(statement.bind(id).bind(public_id).bind(platform.now())).await?;
    rows.into_iter().next().map(|row| row.read().text()).transpose()
}

/// A credential whose owner was deleted.
pub struct Left {
    /// Id of the integration.
    pub integration_id: String,
    /// The deleted owner.
    pub owner: String,
}

/// Returns at most `limit` credentials of deleted principals.
pub async fn ending(platform: &Platform, limit: u32) -> Result<Vec<Left>> {
    let statement = Statement::new(
        "-- principals.ending
        SELECT c.integration_id, c.owner
        FROM principals p CROSS JOIN credentials c ON c.owner = p.id
        WHERE p.deleted_at IS NOT NULL AND p.swept_at IS NULL
        LIMIT ?1 /* limit */",
    );
    let rows = platform.sql.query(statement.bind(i64::from(limit))).await?;
    let read = |row: kernel::ports::Row| {
        let mut row = row.read();
        Ok(Left { integration_id: row.text()?, owner: row.text()? })
    };
    rows.into_iter().map(read).collect()
}

/// Marks at most 500 deleted principals that have no credential any more, so that [`ending`] does not look at them again.
pub async fn settle(platform: &Platform) -> Result<()> {
    let statement = Statement::new(
        "-- principals.settle
        UPDATE principals SET swept_at = ?1 /* now */ WHERE id IN
          (SELECT id FROM principals p
           WHERE p.deleted_at IS NOT NULL AND p.swept_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM credentials WHERE owner = p.id)
           LIMIT 500)",
    );
    Ok(platform.sql.execute(statement.bind(platform.now())).await?)
}
