//! Table `tools`: the offered catalogue, read page by page; how it is reviewed is in `review`.
//!
//! Only approved tools of running integrations are offered.

mod review;

pub use self::review::{Reviewed, approve, find, reject, review};
use crate::Platform;
use kernel::Result;
use kernel::ports::{Row, Statement};

/// One line of a catalogue page.
pub struct Listed {
    /// Slug of its integration.
    pub slug: String,
    /// The upstream's own name.
    pub name: String,
    /// The definition as a JSON object without `name`.
    pub definition: String,
}

/// Tools of all running integrations after `(slug, name)`, in that order.
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

/// Tools of one running integration, by slug, after `name`.
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

/// Every approved tool of an integration, running or not, by name: at most what a probe takes in.
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

/// Number of an integration's approved tools.
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
