//! Table `catalogue_entries`: reading entries of one kind page by page here, reviewing them in `review`. What probes find is
//! written by `validations`.
//!
//! Agents are offered only approved entries of running integrations.

mod review;

pub use self::review::{Reviewed, approve, find, reject, review};
use crate::Platform;
use crate::model::entry::Kind;
use kernel::Result;
use kernel::ports::{Row, Statement};

/// An entry on a page of the catalogue.
pub struct Listed {
    /// Slug of the integration.
    pub slug: String,
    /// The entry's name at the upstream.
    pub name: String,
    /// The definition, a JSON object without its `name` member.
    pub definition: String,
}

/// Returns at most `limit` entries of all running integrations, ordered by slug and name, after `after`.
pub async fn page(platform: &Platform, kind: Kind, after: (&str, &str), limit: u32) -> Result<Vec<Listed>> {
    let statement = Statement::new(
        "-- entries.page
        SELECT i.slug, t.name, t.definition
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = ?4 /* kind */ AND t.status = 'approved'
        WHERE i.archived_at IS NULL AND i.state = 'running' AND i.category = 'gateway_remote_mcp'
          AND i.slug >= ?1 /* slug */ AND (i.slug, t.name) > (?1, ?2 /* name */)
        ORDER BY i.slug, t.name LIMIT ?3 /* limit */",
    );
    let statement = statement.bind(after.0).bind(after.1).bind(i64::from(limit));
    read(platform, statement.bind(kind.as_str())).await
}

/// Returns at most `limit` entries of the running integration `slug`, ordered by name, after `after`.
pub async fn page_of(
    platform: &Platform,
    kind: Kind,
    slug: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Listed>> {
    let statement = Statement::new(
        "-- entries.page_of
        SELECT i.slug, t.name, t.definition
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = ?4 /* kind */ AND t.status = 'approved'
        WHERE i.archived_at IS NULL AND i.state = 'running' AND i.category = 'gateway_remote_mcp'
          AND i.slug = ?1 /* slug */ AND t.name > ?2 /* name */
        ORDER BY t.name LIMIT ?3 /* limit */",
    );
    let statement = statement.bind(slug).bind(after).bind(i64::from(limit));
    read(platform, statement.bind(kind.as_str())).await
}

/// Returns every approved entry of an integration, running or not, ordered by name. The statement's limit is the
/// number of tools that a probe accepts, so no entry is left out.
pub async fn approved(platform: &Platform, kind: Kind, integration: &str) -> Result<Vec<Listed>> {
    let statement = Statement::new(
        "-- entries.approved
        SELECT i.slug, t.name, t.definition
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = ?2 /* kind */ AND t.status = 'approved'
        WHERE i.id = ?1 /* integration */ AND i.archived_at IS NULL
        ORDER BY t.name LIMIT 10000",
    );
    read(platform, statement.bind(integration).bind(kind.as_str())).await
}

/// Returns the number of an integration's approved entries.
pub async fn count(platform: &Platform, kind: Kind, integration: &str) -> Result<i64> {
    let statement = Statement::new(
        "-- entries.count
        SELECT count(*) FROM catalogue_entries
        WHERE integration_id = ?1 /* integration */ AND kind = ?2 /* kind */ AND status = 'approved'",
    );
    let rows = platform.sql.query(statement.bind(integration).bind(kind.as_str())).await?;
    rows.into_iter().next().map_or(Ok(0), |row| row.read().integer())
}

async fn read(platform: &Platform, statement: Statement) -> Result<Vec<Listed>> {
    let read = |row: Row| {
        let mut row = row.read();
        Ok(Listed { slug: row.text()?, name: row.text()?, definition: row.text()? })
    };
    platform.sql.query(statement).await?.into_iter().map(read).collect()
}
