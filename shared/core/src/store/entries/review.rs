//! Review of entries: reading what a probe found next to what is approved, and storing what a reviewer decided.

use crate::Platform;
use crate::model::entry::{Kind, Status};
use kernel::Result;
use kernel::ports::{Row, Statement, Timestamp};
use web::paging::Keyset;

/// An entry with everything that a reviewer needs.
pub struct Reviewed {
    /// Id of the entry.
    pub id: String,
    /// The entry's name at the upstream.
    pub name: String,
    /// The review status.
    pub status: Status,
    /// The approved definition; of an entry that was never approved the newest one found.
    pub definition: String,
    /// The definition that the last probe found, if it differs from `definition`.
    pub found: Option<String>,
    /// The entry's place in the upstream's own list.
    pub position: i64,
    /// When a probe first found the entry.
    pub first_seen_at: Timestamp,
    /// When the last probe that found the entry was recorded; a probe that finds nothing changed in the whole catalogue is
    /// not recorded here.
    pub last_seen_at: Timestamp,
    /// When `status` or `definition` last changed.
    pub changed_at: Option<Timestamp>,
    /// When `definition` was approved; `None` means never.
    pub approved_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "t.id, t.name, t.status, t.definition, t.found_definition, t.position, t.first_seen_at, t.last_seen_at, t.changed_at,
         t.approved_at"
    };
}

/// Returns at most `limit` entries of a live integration in the upstream's order, after `after`, whose time is a
/// position: those with this `status`, or all. To the changed ones belong approved entries of which a user's account
/// was shown another definition.
pub async fn review(
    platform: &Platform,
    kind: Kind,
    integration: &str,
    status: Option<Status>,
    after: Option<&Keyset>,
    limit: u32,
) -> Result<Vec<Reviewed>> {
    let statement = Statement::new(concat!(
        "-- entries.review
        SELECT ",
        columns!(),
        " FROM catalogue_entries t JOIN integrations i ON i.id = t.integration_id AND t.kind = ?6 /* kind */
        WHERE i.id = ?1 /* integration */ AND i.archived_at IS NULL AND (?2 /* status */ IS NULL OR t.status = ?2 OR ?2 = 'changed' AND t.status = 'approved' AND t.found_hash IS NOT NULL)
          AND (t.position, t.id) > (?3 /* position */, ?4 /* id */)
        ORDER BY t.position, t.id LIMIT ?5 /* limit */"
    ));
    let (position, id) = Keyset::start(after);
    let statement = statement
        .bind(integration)
        .bind(status.map(Status::as_str))
        .bind(position)
        .bind(id)
        .bind(i64::from(limit))
        .bind(kind.as_str());
    platform.sql.query(statement).await?.into_iter().map(from_row).collect()
}

/// Returns one entry of a live integration.
pub async fn find(platform: &Platform, integration: &str, id: &str) -> Result<Option<Reviewed>> {
    let statement = Statement::new(concat!(
        "-- entries.find
        SELECT ",
        columns!(),
        " FROM catalogue_entries t JOIN integrations i ON i.id = t.integration_id
        WHERE i.id = ?1 /* integration */ AND i.archived_at IS NULL AND t.id = ?2 /* id */"
    ));
    let rows = platform.sql.query(statement.bind(integration).bind(id)).await?;
    rows.into_iter().next().map(from_row).transpose()
}

/// Approves an entry as the last probe found it. Approving an entry that the upstream no longer offers deletes the row.
/// `seen` is what the reviewer saw: if the status or the definition has changed since, nothing is written. Returns
/// `true` if the decision was stored.
pub async fn approve(platform: &Platform, integration: &str, seen: &Reviewed) -> Result<bool> {
    let removal = Statement::new(
        "-- entries.approve: removal
        DELETE FROM catalogue_entries WHERE integration_id = ?1 /* integration */ AND id = ?2 /* id */ AND status = 'removed'
          AND ?3 /* seen status */ = 'removed'
        RETURNING id",
    );
    let approval = Statement::new(
        "-- entries.approve
        UPDATE catalogue_entries
        SET status = 'approved', approved_at = ?4 /* now */, changed_at = ?4, rejected_hash = NULL,
            definition = coalesce(found_definition, definition), hash = coalesce(found_hash, hash),
            param_headers = iif(found_hash IS NULL, param_headers, found_param_headers),
            found_definition = NULL, found_param_headers = NULL, found_hash = NULL
        WHERE integration_id = ?1 /* integration */ AND id = ?2 /* id */ AND status = ?3 /* seen status */
          AND (status IN ('new', 'changed', 'rejected') OR status = 'approved' AND found_hash IS NOT NULL)
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

/// Rejects an entry as the last probe found it: the entry stays hidden until its upstream changes the definition again.
/// If it is approved and a user's account was shown another definition, only that definition is rejected.
/// Returns `true` if the decision was stored, `false` if the entry is no longer as the reviewer saw it, is rejected
/// already, or is no longer offered by the upstream.
pub async fn reject(platform: &Platform, integration: &str, seen: &Reviewed) -> Result<bool> {
    let statement = Statement::new(
        "-- entries.reject
        UPDATE catalogue_entries
        SET status = iif(status = 'approved' AND found_hash IS NOT NULL, 'approved', 'rejected'),
            rejected_hash = coalesce(found_hash, hash), changed_at = ?4 /* now */,
            found_definition = iif(status = 'approved', NULL, found_definition),
            found_param_headers = iif(status = 'approved', NULL, found_param_headers),
            found_hash = iif(status = 'approved', NULL, found_hash)
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
        position: row.integer()?,
        first_seen_at: row.time()?,
        last_seen_at: row.time()?,
        changed_at: row.optional_time()?,
        approved_at: row.optional_time()?,
    })
}
