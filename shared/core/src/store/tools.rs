//! The tools in table `catalogue_entries`: reading them page by page here, reviewing them in `review`.
//!
//! Agents are offered only approved tools of running integrations.

mod review;

pub use self::review::{Reviewed, approve, find, reject, review};
use crate::Platform;
use kernel::Result;
use kernel::ports::{Row, Statement};

/// A tool on a page of the catalogue.
pub struct Listed {
    /// Slug of the integration.
    pub slug: String,
    /// The tool's name at the upstream.
    pub name: String,
    /// The definition, a JSON object without its `name` member.
    pub definition: String,
}

/// Returns at most `limit` tools of all running integrations, ordered by slug and name, after `after`.
pub async fn page(platform: &Platform, after: (&str, &str), limit: u32) -> Result<Vec<Listed>> {
    let statement = Statement::new(
        "-- tools.page
        SELECT i.slug, t.name, t.definition
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = 'tool' AND t.status = 'approved'
        WHERE i.archived_at IS NULL AND i.state = 'running' AND i.category = 'gateway_remote_mcp'
          AND i.slug >= ?1 /* slug */ AND (i.slug, t.name) > (?1, ?2 /* name */)
        ORDER BY i.slug, t.name LIMIT ?3 /* limit */",
    );
    read(platform, statement.bind(after.0).bind(after.1).bind(i64::from(limit))).await
}

/// Returns at most `limit` tools of the running integration `slug`, ordered by name, after `after`.
pub async fn page_of(platform: &Platform, slug: &str, after: &str, limit: u32) -> Result<Vec<Listed>> {
    let statement = Statement::new(
        "-- tools.page_of
        SELECT i.slug, t.name, t.definition
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = 'tool' AND t.status = 'approved'
        WHERE i.archived_at IS NULL AND i.state = 'running' AND i.category = 'gateway_remote_mcp'
          AND i.slug = ?1 /* slug */ AND t.name > ?2 /* name */
        ORDER BY t.name LIMIT ?3 /* limit */",
    );
    read(platform, statement.bind(slug).bind(after).bind(i64::from(limit))).await
}

/// Returns every approved tool of an integration, running or not, ordered by name. The statement's limit is the
/// number of tools that a probe accepts, so no tool is left out.
pub async fn approved(platform: &Platform, integration: &str) -> Result<Vec<Listed>> {
    let statement = Statement::new(
        "-- tools.approved
        SELECT i.slug, t.name, t.definition
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = 'tool' AND t.status = 'approved'
        WHERE i.id = ?1 /* integration */ AND i.archived_at IS NULL
        ORDER BY t.name LIMIT 10000",
    );
    read(platform, statement.bind(integration)).await
}

/// Returns the number of an integration's approved tools.
pub async fn count(platform: &Platform, integration: &str) -> Result<i64> {
    let statement = Statement::new(
        "-- tools.count
        SELECT count(*) FROM catalogue_entries
        WHERE integration_id = ?1 /* integration */ AND kind = 'tool' AND status = 'approved'",
    );
    let rows = platform.sql.query(statement.bind(integration)).await?;
    rows.into_iter().next().map_or(Ok(0), |row| row.read().integer())
}

async fn read(platform: &Platform, statement: Statement) -> Result<Vec<Listed>> {
    let read = |row: Row| {
        let mut row = row.read();
        Ok(Listed { slug: row.text()?, name: row.text()?, definition: row.text()? })
    };
    platform.sql.query(statement).await?.into_iter().map(read).collect()
}
