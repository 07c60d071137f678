//! What a probe found beside what is approved, and deciding between the two.

use crate::Platform;
use crate::model::tool::ToolStatus;
use kernel::Result;
use kernel::ports::{Row, Statement, Timestamp};
use web::paging::Keyset;

/// A tool with everything that a reviewer needs.
pub struct Reviewed {
    /// Its id.
    pub id: String,
    /// The upstream's own name.
    pub name: String,
    /// Where it stands.
    pub status: ToolStatus,
    /// The approved definition; of a tool that was never approved the one found first.
    pub definition: String,
    /// What the last probe found, where that is something else.
    pub found: Option<String>,
    /// When it was first found.
    pub first_seen_at: Timestamp,
    /// When its status last changed.
    pub changed_at: Option<Timestamp>,
    /// When its definition was approved.
    pub approved_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "t.id, t.name, t.status, t.definition, t.found_definition, t.first_seen_at, t.changed_at, t.approved_at"
    };
}

/// Tools of a live integration in order of discovery, after `after`, of one status or all.
pub async fn review(
    platform: &Platform,
    integration: &str,
    status: Option<ToolStatus>,
    after: Option<&Keyset>,
    limit: u32,
) -> Result<Vec<Reviewed>> {
    let statement = Statement::new(concat!(
        "-- tools.review
        SELECT ",
        columns!(),
        " FROM catalogue_entries t JOIN integrations i ON i.id = t.integration_id AND t.kind = 'tool'
        WHERE i.id = ?1 /* integration */ AND i.archived_at IS NULL AND (?2 /* status */ IS NULL OR t.status = ?2)
          AND (t.first_seen_at, t.id) > (?3 /* first_seen_at */, ?4 /* id */)
        ORDER BY t.first_seen_at, t.id LIMIT ?5 /* limit */"
    ));
    let (first_seen_at, id) = Keyset::start(after);
    let statement = statement
        .bind(integration)
        .bind(status.map(ToolStatus::as_str))
        .bind(first_seen_at)
        .bind(id)
        .bind(i64::from(limit));
    platform.sql.query(statement).await?.into_iter().map(from_row).collect()
}

/// One tool of a live integration.
pub async fn find(platform: &Platform, integration: &str, id: &str) -> Result<Option<Reviewed>> {
    let statement = Statement::new(concat!(
        "-- tools.find
        SELECT ",
        columns!(),
        " FROM catalogue_entries t JOIN integrations i ON i.id = t.integration_id AND t.kind = 'tool'
        WHERE i.id = ?1 /* integration */ AND i.archived_at IS NULL AND t.id = ?2 /* id */"
    ));
    let rows = platform.sql.query(statement.bind(integration).bind(id)).await?;
    rows.into_iter().next().map(from_row).transpose()
}

/// Approves a tool as the last probe found it; of one that is gone, its removal. `found` is the definition that the
/// reviewer saw: when the upstream changed it since, nothing happens. Whether something did.
pub async fn approve(platform: &Platform, integration: &str, seen: &Reviewed) -> Result<bool> {
    let removal = Statement::new(
        "-- tools.approve: removal
        DELETE FROM catalogue_entries WHERE integration_id = ?1 /* integration */ AND id = ?2 /* id */ AND status = 'removed'
          AND ?3 /* seen status */ = 'removed'
        RETURNING id",
    );
    let approval = Statement::new(
        "-- tools.approve
        UPDATE catalogue_entries
        SET status = 'approved', approved_at = ?4 /* now */, changed_at = ?4, rejected_hash = NULL,
            definition = coalesce(found_definition, definition), hash = coalesce(found_hash, hash),
            param_headers = iif(found_hash IS NULL, param_headers, found_param_headers),
            found_definition = NULL, found_param_headers = NULL, found_hash = NULL
        WHERE integration_id = ?1 /* integration */ AND id = ?2 /* id */ AND status = ?3 /* seen status */
          AND status IN ('new', 'changed', 'rejected')
          AND coalesce(found_definition, definition) = ?5 /* seen definition */
        RETURNING id",
    );
    let definition = seen.found.as_ref().unwrap_or(&seen.definition);
    let (id, status) = (seen.id.as_str(), seen.status.as_str());
    let batch = vec![
        removal.bind(integration).bind(id).bind(status),
        approval.bind(integration).bind(id).bind(status).bind(platform.now()).bind(definition.as_str()),
    ];
    let outcomes = platform.sql.batch(batch).await?;
    platform.forget_integrations();
    Ok(outcomes.iter().any(|decided| !decided.is_empty()))
}

/// Refuses a tool as the last probe found it: it stays hidden until its upstream changes it again. Whether it could be
/// refused: it must still be as the reviewer saw it, and one that is gone cannot be.
pub async fn reject(platform: &Platform, integration: &str, seen: &Reviewed) -> Result<bool> {
    let statement = Statement::new(
        "-- tools.reject
        UPDATE catalogue_entries SET status = 'rejected', rejected_hash = coalesce(found_hash, hash), changed_at = ?4 /* now */
        WHERE integration_id = ?1 /* integration */ AND id = ?2 /* id */ AND status = ?3 /* seen status */
          AND status IN ('new', 'changed', 'approved')
          AND coalesce(found_definition, definition) = ?5 /* seen definition */
        RETURNING id",
    );
    let definition = seen.found.as_ref().unwrap_or(&seen.definition);
    let statement = statement
        .bind(integration)
        .bind(seen.id.as_str())
        .bind(seen.status.as_str())
        .bind(platform.now())
        .bind(definition.as_str());
    let decided = platform.sql.query(statement).await?;
    platform.forget_integrations();
    Ok(!decided.is_empty())
}

fn from_row(row: Row) -> Result<Reviewed> {
    let mut row = row.read();
    Ok(Reviewed {
        id: row.text()?,
        name: row.text()?,
        status: row.text()?.parse()?,
        definition: row.text()?,
        found: row.optional_text()?,
        first_seen_at: row.time()?,
        changed_at: row.optional_time()?,
        approved_at: row.optional_time()?,
    })
}
