//! Table `tools`: the discovered catalogue, read page by page.

use crate::platform::Statement;
use crate::{Platform, Result};

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
        FROM integrations i JOIN tools t ON t.integration_id = i.id
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
        FROM integrations i JOIN tools t ON t.integration_id = i.id
        WHERE i.archived_at IS NULL AND i.state = 'running' AND i.category = 'gateway_remote_mcp'
          AND i.slug = ?1 /* slug */ AND t.name > ?2 /* name */
        ORDER BY t.name LIMIT ?3 /* limit */",
    );
    read(platform, statement.bind(slug).bind(after).bind(i64::from(limit))).await
}

async fn read(platform: &Platform, statement: Statement) -> Result<Vec<Listed>> {
    let rows = platform.sql.query(statement).await?;
    let read = rows.into_iter().map(|row| {
        let mut row = row.read();
        Ok(Listed { slug: row.text()?, name: row.text()?, definition: row.text()? })
    });
    read.collect()
}
