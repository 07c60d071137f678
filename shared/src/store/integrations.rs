//! Table `integrations`, and `credentials` where the two are written together.
//!
//! Atomicity: each function is one statement or one batch. A name is taken while any integration has it, archived
//! ones included; reviving an archived one has to be asked for.

use serde_json::value::RawValue;

use crate::http::cursor::Keyset;
use crate::mcp::Era;
use crate::model::integration::{AuthMode, Category, Integration};
use crate::model::target::{ORGANIZATION, SealedCredential};
use crate::platform::{Row, SqlError, Statement};
use crate::{Error, Platform, Result};

macro_rules! columns {
    () => {
        "i.id, i.slug, i.name, i.url, i.category, i.auth_mode, i.capabilities, i.credential_schema,
         EXISTS (SELECT 1 FROM credentials c WHERE c.integration_id = i.id AND c.owner = 'organization') AS has_token,
         i.era, i.validation_status, i.validation_message, i.last_validated_at, i.created_at, i.updated_at"
    };
}

/// What an operator gives for a new integration, already checked.
pub struct NewIntegration {
    /// Id; a revived integration keeps its old one.
    pub id: String,
    /// Display name.
    pub name: String,
    /// MCP endpoint.
    pub url: String,
    /// Category.
    pub category: Category,
    /// Whose token.
    pub auth_mode: AuthMode,
    /// Declared capabilities.
    pub capabilities: Option<Box<RawValue>>,
    /// Schema of user credentials.
    pub credential_schema: Option<Box<RawValue>>,
    /// The organization's token, sealed.
    pub credential: Option<SealedCredential>,
}

/// How an insert ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Stored.
    Done,
    /// A live integration has the name.
    NameTaken,
    /// An archived integration has the name.
    NameArchived,
    /// A live integration has the slug: try the next one.
    SlugTaken,
}

/// Stores a new integration with its credential.
pub async fn insert(platform: &Platform, new: &NewIntegration, slug: &str) -> Result<Inserted> {
    let statement = Statement::new(
        "-- integrations.insert
        INSERT INTO integrations (id, slug, name, url, category, auth_mode, capabilities, credential_schema,
                                  next_validation_at, created_at, updated_at)
        SELECT ?1 /* id */, ?2 /* slug */, ?3 /* name */, ?4 /* url */, ?5 /* category */, ?6 /* auth_mode */,
               ?7 /* capabilities */, ?8 /* credential_schema */, ?9 /* now */, ?9, ?9
        WHERE NOT EXISTS (SELECT 1 FROM integrations WHERE name = ?3 AND archived_at IS NOT NULL)",
    );
    write(platform, statement, new, slug).await
}

/// Turns the archived integration of this name into a live one with the new content and credential.
pub async fn revive(platform: &Platform, new: &NewIntegration, slug: &str) -> Result<Inserted> {
    let statement = Statement::new(
        "-- integrations.revive
        UPDATE integrations
        SET slug = ?2 /* slug */, url = ?4 /* url */, category = ?5 /* category */, auth_mode = ?6 /* auth_mode */,
            capabilities = ?7 /* capabilities */, credential_schema = ?8 /* credential_schema */, state = 'running',
            era = NULL, protocol_version = NULL, validation_status = 'pending', validation_message = NULL,
            last_validated_at = NULL, next_validation_at = ?9 /* now */, validation_lease_until = 0,
            consecutive_failures = 0, updated_at = ?9, archived_at = NULL
        WHERE name = ?3 /* name */ AND archived_at IS NOT NULL AND ?1 /* id */ IS NOT NULL",
    );
    write(platform, statement, new, slug).await
}

async fn write(
    platform: &Platform,
    statement: Statement,
    new: &NewIntegration,
    slug: &str,
) -> Result<Inserted> {
    let now = platform.now();
    let mut batch = vec![
        statement
            .bind(new.id.as_str())
            .bind(slug)
            .bind(new.name.as_str())
            .bind(new.url.as_str())
            .bind(new.category.as_str())
            .bind(new.auth_mode.as_str())
            .bind(new.capabilities.as_ref().map(|json| json.get()))
            .bind(new.credential_schema.as_ref().map(|json| json.get()))
            .bind(now),
    ];
    if let Some(credential) = &new.credential {
        // Only for the row that the statement before wrote: where it wrote none, none has this name and time.
        let statement = Statement::new(
            "-- integrations.write: credential
            INSERT INTO credentials (id, integration_id, owner, sealed, created_at, updated_at)
            SELECT ?1 /* id */, i.id, ?2 /* owner */, ?3 /* sealed */, ?4 /* now */, ?4
            FROM integrations i WHERE i.name = ?5 /* name */ AND i.archived_at IS NULL AND i.updated_at = ?4",
        );
        batch.push(
            statement
                .bind(credential.id.as_str())
                .bind(credential.owner.as_str())
                .bind(credential.sealed.as_str())
                .bind(now)
                .bind(new.name.as_str()),
        );
    }
    let outcomes = match platform.sql.batch(batch).await {
        Ok(outcomes) => outcomes,
        Err(SqlError::Unique(columns)) if columns.contains("integrations.slug") => {
            return Ok(Inserted::SlugTaken);
        }
        Err(SqlError::Unique(columns)) if columns.contains("integrations.name") => {
            return Ok(Inserted::NameTaken);
        }
        Err(error) => return Err(error.into()),
    };
    platform.instance.forget_integrations();
    match outcomes.first() {
        Some(outcome) if outcome.changes > 0 => Ok(Inserted::Done),
        _ => Ok(Inserted::NameArchived),
    }
}

/// The live integration with this id.
pub async fn find(platform: &Platform, id: &str) -> Result<Option<Integration>> {
    let statement = Statement::new(concat!(
        "-- integrations.find
        SELECT ",
        columns!(),
        " FROM integrations i WHERE i.id = ?1 /* id */ AND i.archived_at IS NULL"
    ));
    first(platform.sql.query(statement.bind(id)).await?)
}

/// The live integration with this name.
pub async fn find_by_name(platform: &Platform, name: &str) -> Result<Option<Integration>> {
    let statement = Statement::new(concat!(
        "-- integrations.find_by_name
        SELECT ",
        columns!(),
        " FROM integrations i WHERE i.name = ?1 /* name */ AND i.archived_at IS NULL"
    ));
    first(platform.sql.query(statement.bind(name)).await?)
}

/// Live integrations in order of creation, after `after`, whose name contains `name` (ASCII case ignored).
pub async fn list(
    platform: &Platform,
    after: Option<&Keyset>,
    name: Option<&str>,
    limit: u32,
) -> Result<Vec<Integration>> {
    let statement = Statement::new(concat!(
        "-- integrations.list
        SELECT ",
        columns!(),
        " FROM integrations i
        WHERE i.archived_at IS NULL AND (i.created_at, i.id) > (?1 /* created_at */, ?2 /* id */)
          AND (?3 /* name */ IS NULL OR instr(lower(i.name), lower(?3)) > 0)
        ORDER BY i.created_at, i.id LIMIT ?4 /* limit */"
    ));
    let (created_at, id) = after.map_or((i64::MIN >> 11, ""), |key| (key.created_at, key.id.as_str()));
    let statement = statement.bind(created_at).bind(id).bind(name).bind(i64::from(limit));
    platform.sql.query(statement).await?.into_iter().map(from_row).collect()
}

/// Archives a live integration: it leaves every list, its secrets and its catalogue are deleted with it. Whether there
/// was one.
pub async fn archive(platform: &Platform, id: &str) -> Result<bool> {
    let now = platform.now();
    let archive = Statement::new(
        "-- integrations.archive
        UPDATE integrations SET archived_at = ?2 /* now */, updated_at = ?2
        WHERE id = ?1 /* id */ AND archived_at IS NULL",
    );
    let credentials = Statement::new(
        "-- integrations.archive: credentials
        DELETE FROM credentials WHERE integration_id = ?1 /* id */",
    );
    let tools = Statement::new(
        "-- integrations.archive: tools
        DELETE FROM tools WHERE integration_id = ?1 /* id */",
    );
    let outcomes =
        platform.sql.batch(vec![archive.bind(id).bind(now), credentials.bind(id), tools.bind(id)]).await?;
    platform.instance.forget_integrations();
    Ok(outcomes.first().is_some_and(|outcome| outcome.changes > 0))
}

/// The organization's credential of an integration.
pub async fn organization_credential(platform: &Platform, id: &str) -> Result<Option<SealedCredential>> {
    let statement = Statement::new(
        "-- integrations.organization_credential
        SELECT id, owner, sealed FROM credentials WHERE integration_id = ?1 /* id */ AND owner = ?2 /* owner */",
    );
    let rows = platform.sql.query(statement.bind(id).bind(ORGANIZATION)).await?;
    let read = |row: Row| {
        let mut row = row.read();
        Ok(SealedCredential { id: row.text()?, owner: row.text()?, sealed: row.text()? })
    };
    rows.into_iter().next().map(read).transpose()
}

fn first(rows: Vec<Row>) -> Result<Option<Integration>> {
    rows.into_iter().next().map(from_row).transpose()
}

pub(super) fn from_row(row: Row) -> Result<Integration> {
    let mut row = row.read();
    Ok(Integration {
        id: row.text()?,
        slug: row.text()?,
        name: row.text()?,
        url: row.text()?,
        category: row.text()?.parse()?,
        auth_mode: row.text()?.parse()?,
        capabilities: json(row.optional_text()?)?,
        credential_schema: json(row.optional_text()?)?,
        server_token_configured: row.integer()? != 0,
        era: row.optional_text()?.map(|era| era.parse::<Era>()).transpose()?,
        validation_status: row.text()?.parse()?,
        validation_message: row.optional_text()?,
        last_validated_at: row.optional_time()?,
        created_at: row.time()?,
        updated_at: row.time()?,
    })
}

fn json(text: Option<String>) -> Result<Option<Box<RawValue>>> {
    text.map(RawValue::from_string).transpose().map_err(|error| Error::internal(error.to_string()))
}
