//! Table `integrations`: reading here, writing in `write`, starting and stopping in `lifecycle`.
//!
//! Each function is one statement or one batch. A write of content names the revision that was read before: of two
//! concurrent writes one succeeds, and the other one is told that it changed nothing.

mod lifecycle;
mod write;

use serde_json::value::RawValue;

pub use self::lifecycle::{restart, start, stop};
pub use self::write::{Change, Inserted, New, archive, insert, record_issuer, revive, update};
use crate::Platform;
use crate::model::credential::Connection;
use crate::model::integration::{Content, Integration};
use kernel::ports::{Reader, Row, Statement, Timestamp};
use kernel::{Error, Result};
use mcp::Era;
use web::paging::Keyset;

/// The columns that `read` expects and the tables that they come from. `?1` is the viewer, whose own connection is
/// joined.
macro_rules! columns {
    () => {
        "i.id, i.slug, i.name, i.description, i.url, i.category, i.auth_mode, i.oauth, i.oauth_client_secret,
         i.capabilities, i.credential_schema, i.headers, i.tool_policy, i.source, i.state, i.started_at, i.generation,
         EXISTS (SELECT 1 FROM credentials c WHERE c.integration_id = i.id AND c.owner = 'organization') AS has_token,
         u.id IS NOT NULL AS connected, u.expires_at, u.status, i.era, i.validation_status, i.validation_message,
         i.last_validated_at, i.consecutive_failures, i.catalogue_hash, i.created_at, i.updated_at, i.revision,
         i.discovered_issuer
         FROM integrations i
         LEFT JOIN credentials u ON u.integration_id = i.id AND u.owner = ?1 /* viewer */"
    };
}

/// The viewer of reads that need no user's connection: no credential has this owner.
pub const NOBODY: &str = "";

/// Returns the live integration with this id, with `viewer`'s connection to it.
pub async fn find(platform: &Platform, viewer: &str, id: &str) -> Result<Option<Integration>> {
    let statement = Statement::new(concat!(
        "-- integrations.find
        SELECT ",
        columns!(),
        " WHERE i.id = ?2 /* id */ AND i.archived_at IS NULL"
    ));
    first(platform.sql.query(statement.bind(viewer).bind(id)).await?)
}

/// Returns the live integration with this slug.
pub async fn find_by_slug(platform: &Platform, slug: &str) -> Result<Option<Integration>> {
    let statement = Statement::new(concat!(
        "-- integrations.find_by_slug
        SELECT ",
        columns!(),
        " WHERE i.slug = ?2 /* slug */ AND i.archived_at IS NULL"
    ));
    first(platform.sql.query(statement.bind(NOBODY).bind(slug)).await?)
}

/// Returns an archived integration by its id or its name; of several with the same name the one archived last.
pub async fn find_archived(platform: &Platform, reference: &str) -> Result<Option<Integration>> {
    let statement = Statement::new(concat!(
        "-- integrations.find_archived
        SELECT ",
        columns!(),
        " WHERE (i.id = ?2 /* reference */ OR i.name = ?2) AND i.archived_at IS NOT NULL
        ORDER BY i.archived_at DESC LIMIT 1"
    ));
    first(platform.sql.query(statement.bind(NOBODY).bind(reference)).await?)
}

/// Returns at most `limit` live integrations in order of creation, after `after`. If `name` is given, only those
/// whose display name contains that text (ASCII case ignored).
pub async fn list(
    platform: &Platform,
    viewer: &str,
    after: Option<&Keyset>,
    name: Option<&str>,
    limit: u32,
) -> Result<Vec<Integration>> {
    let statement = Statement::new(concat!(
        "-- integrations.list
        SELECT ",
        columns!(),
        " WHERE i.archived_at IS NULL AND (i.created_at, i.id) > (?2 /* created_at */, ?3 /* id */)
          AND (?4 /* name */ IS NULL OR instr(lower(i.name), lower(?4)) > 0)
        ORDER BY i.created_at, i.id LIMIT ?5 /* limit */"
    ));
    let (created_at, id) = Keyset::start(after);
    let statement = statement.bind(viewer).bind(created_at).bind(id).bind(name).bind(i64::from(limit));
    platform.sql.query(statement).await?.into_iter().map(from_row).collect()
}

/// An integration in the operators' overview.
pub struct Summary {
    /// The integration.
    pub integration: Integration,
    /// Number of its approved tools, which are offered while the integration is running.
    pub tools: i64,
    /// When the integration was created or, if it was archived since, when it became live again.
    pub installed_at: Timestamp,
}

/// Returns at most `limit` live integrations in order of installation, after `after`, with the number of their tools.
/// The time in `after` is [`Summary::installed_at`]: an integration that was removed and installed again comes after
/// those that were installed before that.
pub async fn overview(platform: &Platform, after: Option<&Keyset>, limit: u32) -> Result<Vec<Summary>> {
    let statement = Statement::new(concat!(
        "-- integrations.overview
        SELECT (SELECT count(*) FROM catalogue_entries t
                WHERE t.integration_id = i.id AND t.kind = 'tool' AND t.status = 'approved') AS tools,
               coalesce(i.revived_at, i.created_at) AS installed_at, ",
        columns!(),
        " WHERE i.archived_at IS NULL AND coalesce(i.revived_at, i.created_at) >= ?2 /* installed_at */
          AND (coalesce(i.revived_at, i.created_at), i.id) > (?2, ?3 /* id */)
        ORDER BY coalesce(i.revived_at, i.created_at), i.id LIMIT ?4 /* limit */"
    ));
    let (installed_at, id) = Keyset::start(after);
    let statement = statement.bind(NOBODY).bind(installed_at).bind(id).bind(i64::from(limit));
    let read = |row: Row| {
        let mut row = row.read();
        let (tools, installed_at) = (row.integer()?, row.time()?);
        Ok(Summary { tools, installed_at, integration: read(&mut row)? })
    };
    platform.sql.query(statement).await?.into_iter().map(read).collect()
}

/// Returns what live integrations were installed from: ids of the install catalogue, URLs, and `inline` for
/// templates.
pub async fn sources(platform: &Platform) -> Result<Vec<String>> {
    let statement = Statement::new(
        "-- integrations.sources
        SELECT DISTINCT source FROM integrations WHERE archived_at IS NULL AND source IS NOT NULL
        ORDER BY source LIMIT 10000",
    );
    platform.sql.query(statement).await?.into_iter().map(|row| row.read().text()).collect()
}

fn first(rows: Vec<Row>) -> Result<Option<Integration>> {
    rows.into_iter().next().map(from_row).transpose()
}

fn from_row(row: Row) -> Result<Integration> {
    read(&mut row.read())
}

fn read(row: &mut Reader) -> Result<Integration> {
    Ok(Integration {
        id: row.text()?,
        slug: row.text()?,
        content: Content {
            name: row.text()?,
            description: row.optional_text()?,
            url: row.text()?,
            category: row.text()?.parse()?,
            auth_mode: row.text()?.parse()?,
            oauth: row
                .optional_text()?
                .map(|json| serde_json::from_str(&json))
                .transpose()
                .map_err(broken)?,
            oauth_client_secret: row.optional_text()?,
            capabilities: json(row.optional_text()?)?,
            credential_schema: json(row.optional_text()?)?,
            headers: row.optional_text()?,
            tool_policy: row.text()?.parse()?,
            source: row.optional_text()?,
        },
        state: row.text()?.parse()?,
        started_at: row.optional_time()?,
        generation: row.integer()?,
        has_organization_credential: row.integer()? != 0,
        user_connection: {
            let (connected, expires_at) = (row.integer()? != 0, row.optional_time()?);
            let needs_reauth = row.optional_text()?.as_deref() == Some("needs_reauth");
            connected.then_some(Connection { expires_at, needs_reauth })
        },
        era: row.optional_text()?.map(|era| era.parse::<Era>()).transpose()?,
        validation_status: row.text()?.parse()?,
        validation_message: row.optional_text()?,
        last_validated_at: row.optional_time()?,
        consecutive_failures: row.integer()?,
        catalogue_hash: row.optional_text()?,
        created_at: row.time()?,
        updated_at: row.time()?,
        revision: row.integer()?,
        discovered_issuer: row.optional_text()?,
    })
}

fn json(text: Option<String>) -> Result<Option<Box<RawValue>>> {
    text.map(RawValue::from_string).transpose().map_err(broken)
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn broken(error: serde_json::Error) -> Error {
    Error::internal(error.to_string())
}
