//! Writing what operators decide: `integrations` and, in the same batch, the credentials that belong to the
//! integration.
//!
//! The first statement of a batch writes a fresh random revision. The statements after it have effect only where the
//! row has that revision, so only if the first one had effect.

use crate::Platform;
use crate::model::credential::SealedCredential;
use crate::model::integration::{Content, Integration, State};
use crate::store::credentials::put_statement;
use kernel::ports::{SqlError, Statement};
use kernel::{Error, Result};

/// The columns of [`Content`].
macro_rules! columns {
    () => {
        "name, description, url, category, auth_mode, oauth, oauth_client_secret, capabilities, credential_schema,
         headers, tool_policy, source"
    };
}

/// Their values, as [`content`] binds them.
macro_rules! values {
    () => {
        "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14"
    };
}

/// A new integration, or an archived one that is to be live again.
pub struct New<'a> {
    /// A fresh id, or the id of the archived integration.
    pub id: &'a str,
    /// Slug of the integration.
    pub slug: &'a str,
    /// What the operator decided.
    pub content: &'a Content,
    /// Whether the integration is running at once.
    pub state: State,
    /// The organization's credential, if the operator gave one.
    pub credential: Option<&'a SealedCredential>,
}

/// The result of [`insert`] and [`revive`].
#[derive(Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The integration was stored.
    Done,
    /// A live integration has the name.
    NameTaken,
    /// An archived integration has the name; only from [`insert`].
    NameArchived,
    /// The integration is not archived; only from [`revive`].
    NotArchived,
    /// A live integration has the slug; the next slug may be free.
    SlugTaken,
}

/// A change of an integration's content, and of the credentials that depend on that content.
pub struct Change<'a> {
    /// The new content.
    pub content: &'a Content,
    /// The organization's new credential, if the operator gave one.
    pub credential: Option<&'a SealedCredential>,
}

/// Stores a new integration with its credential. Stores nothing if the name or the slug is taken.
pub async fn insert(platform: &Platform, new: &New<'_>) -> Result<Inserted> {
    let statement = Statement::new(concat!(
        "-- integrations.insert
        INSERT INTO integrations (id, slug, ",
        columns!(),
        ", revision, created_at, updated_at, next_validation_at, state, started_at, generation)
        SELECT ?1 /* id */, ?2 /* slug */, ",
        values!(),
        ", ?15 /* revision */, ?16 /* now */, ?16, ?16, ?17 /* state */, iif(?17 = 'running', ?16, NULL), ?17 = 'running'
        WHERE NOT EXISTS (SELECT 1 FROM integrations WHERE name = ?3 AND archived_at IS NOT NULL)
        RETURNING id"
    ));
    place(platform, statement, new, Inserted::NameArchived).await
}

/// Makes the archived integration `new.id` live again, with the new content and credential. Its validation starts
/// anew.
pub async fn revive(platform: &Platform, new: &New<'_>) -> Result<Inserted> {
    let statement = Statement::new(concat!(
        "-- integrations.revive
        UPDATE integrations
        SET (",
        columns!(),
        ") = (",
        values!(),
        "), slug = ?2 /* slug */, revision = ?15 /* revision */, updated_at = ?16 /* now */, revived_at = ?16,
            next_validation_at = ?16,
            state = ?17 /* state */, started_at = iif(?17 = 'running', ?16, NULL),
            generation = generation + (?17 = 'running'), era = NULL, protocol_version = NULL,
            validation_status = 'pending', validation_message = NULL, last_validated_at = NULL,
            validation_lease_until = 0, consecutive_failures = 0, catalogue_hash = NULL, archived_at = NULL,
            discovered_issuer = NULL
        WHERE id = ?1 /* id */ AND archived_at IS NOT NULL
        RETURNING id"
    ));
    place(platform, statement, new, Inserted::NotArchived).await
}

/// Runs `statement` and stores the credential in the same batch. Returns `refused` if the statement wrote no row.
async fn place(
    platform: &Platform,
    statement: Statement,
    new: &New<'_>,
    refused: Inserted,
) -> Result<Inserted> {
    let revision = revision(platform)?;
    let place = content(statement.bind(new.id).bind(new.slug), new.content)?;
    let mut batch = vec![place.bind(revision).bind(platform.now()).bind(new.state.as_str())];
    if let Some(credential) = new.credential {
        batch.push(put_statement(platform, new.id, revision, credential));
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
    platform.forget_integrations();
    match outcomes.first() {
        Some(placed) if !placed.is_empty() => Ok(Inserted::Done),
        _ => Ok(refused),
    }
}

/// Replaces the content of `current`, and in the same batch drops what says nothing about the new content: the results of
/// validation, the credentials and pending authorizations, and what another origin offered. Returns `true` if the row was
/// written, `false` if another write came after `current` was read. Fails with a duplicate if the name is taken.
pub async fn update(platform: &Platform, current: &Integration, change: &Change<'_>) -> Result<bool> {
    let statement = Statement::new(concat!(
        "-- integrations.update
        UPDATE integrations
        SET (",
        columns!(),
        ") = (",
        values!(),
        "), revision = ?15 /* revision */, updated_at = ?16 /* now */, catalogue_hash = NULL,
            validation_status = iif(?18 /* resets */, 'pending', validation_status),
            validation_message = iif(?18, NULL, validation_message),
            last_validated_at = iif(?18, NULL, last_validated_at),
            consecutive_failures = iif(?18, 0, consecutive_failures),
            next_validation_at = iif(?18, ?16, next_validation_at),
            discovered_issuer = iif(url = ?5 /* url */, discovered_issuer, NULL)
        WHERE id = ?1 /* id */ AND slug = ?2 /* slug */ AND revision = ?17 /* old revision */ AND archived_at IS NULL
        RETURNING id"
    ));
    let id = current.id.as_str();
    let revision = revision(platform)?;
    let write = content(statement.bind(id).bind(current.slug.as_str()), change.content)?
        .bind(revision)
        .bind(platform.now())
        .bind(current.revision)
        .bind(change.content.needs_validation_after(&current.content));
    let mut batch = vec![write];
    if change.content.drops_credentials_of(&current.content) {
        batch.extend(drop_credentials().map(|statement| statement.bind(id).bind(revision)));
    }
    if change.content.origin() != current.content.origin() {
        batch.extend(set_catalogue_aside().map(|statement| statement.bind(id).bind(revision)));
    }
    if let Some(credential) = change.credential {
        batch.push(put_statement(platform, id, revision, credential));
    }
    let outcomes = match platform.sql.batch(batch).await {
        Ok(outcomes) => outcomes,
        Err(SqlError::Unique(columns)) if columns.contains("integrations.name") => {
            return Err(Error::duplicate("an integration with this name already exists"));
        }
        Err(error) => return Err(error.into()),
    };
    platform.forget_integrations();
    Ok(outcomes.first().is_some_and(|written| !written.is_empty()))
}

/// The statements of `update` that delete what was given for the former content. `?1` is the integration, `?2` the
/// revision that `update` wrote.
fn drop_credentials() -> [Statement; 2] {
    [
        Statement::new(
            "-- integrations.update: credentials
            DELETE FROM credentials WHERE integration_id = ?1 /* id */
              AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND revision = ?2 /* revision */)",
        ),
        Statement::new(
            "-- integrations.update: flows
            DELETE FROM oauth_flows WHERE integration_id = ?1 /* id */
              AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND revision = ?2 /* revision */)",
        ),
    ]
}

/// The statements of `update` that take the former server's entries out of the offer, bound as in `drop_credentials`.
/// What was approved counts as removed, so that it is approved again if the new server has it with the same definition;
/// what was rejected stays rejected.
fn set_catalogue_aside() -> [Statement; 2] {
    [
        Statement::new(
            "-- integrations.update: entries under review
            DELETE FROM catalogue_entries WHERE integration_id = ?1 /* id */ AND approved_at IS NULL AND status <> 'rejected'
              AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND revision = ?2 /* revision */)",
        ),
        Statement::new(
            "-- integrations.update: approved entries
            UPDATE catalogue_entries
            SET status = 'removed', found_definition = NULL, found_param_headers = NULL, found_hash = NULL, found_by = 'shared'
            WHERE integration_id = ?1 /* id */ AND status IN ('approved', 'changed')
              AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND revision = ?2 /* revision */)",
        ),
    ]
}

/// Records the issuer that was discovered for `url`, if the integration still has that URL. The integration's revision
/// stays: nothing that an operator decided changes.
pub async fn record_issuer(platform: &Platform, id: &str, url: &str, issuer: &str) -> Result<()> {
    let statement = Statement::new(
        "-- integrations.record_issuer
        UPDATE integrations SET discovered_issuer = ?3 /* issuer */
        WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND discovered_issuer IS NOT ?3",
    );
    Ok(platform.sql.execute(statement.bind(id).bind(url).bind(issuer)).await?)
}

/// Archives a live integration: removes it from every list, and deletes its secrets, its catalogue entries and its
/// pending authorizations. Without `force` a running integration is not archived. Returns `true` if the integration
/// was archived.
pub async fn archive(platform: &Platform, id: &str, force: bool) -> Result<bool> {
    let archive = Statement::new(
        "-- integrations.archive
        UPDATE integrations
        SET archived_at = ?2 /* now */, updated_at = ?2, state = 'stopped', started_at = NULL, headers = NULL,
            oauth_client_secret = NULL, revision = ?3 /* revision */
        WHERE id = ?1 /* id */ AND archived_at IS NULL AND (?4 /* force */ OR state = 'stopped')
        RETURNING id",
    );
    let credentials = Statement::new(
        "-- integrations.archive: credentials
        DELETE FROM credentials WHERE integration_id = ?1 /* id */
          AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND archived_at IS NOT NULL)",
    );
    let tools = Statement::new(
        "-- integrations.archive: tools
        DELETE FROM catalogue_entries WHERE integration_id = ?1 /* id */
          AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND archived_at IS NOT NULL)",
    );
    let flows = Statement::new(
        "-- integrations.archive: flows
        DELETE FROM oauth_flows WHERE integration_id = ?1 /* id */
          AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND archived_at IS NOT NULL)",
    );
    let archive = archive.bind(id).bind(platform.now()).bind(revision(platform)?).bind(force);
    let outcomes =
        platform.sql.batch(vec![archive, credentials.bind(id), tools.bind(id), flows.bind(id)]).await?;
    platform.forget_integrations();
    Ok(outcomes.first().is_some_and(|written| !written.is_empty()))
}

/// Binds the values of `columns!()`, in their order: `?3` to `?14` in every statement that writes content.
fn content(statement: Statement, content: &Content) -> Result<Statement> {
    let oauth = content.oauth.as_ref().map(serde_json::to_string).transpose();
    let oauth = oauth.map_err(|error| Error::internal(error.to_string()))?;
    Ok(statement
        .bind(content.name.as_str())
        .bind(content.description.as_deref())
        .bind(content.url.as_str())
        .bind(content.category.as_str())
        .bind(content.auth_mode.as_str())
        .bind(oauth)
        .bind(content.oauth_client_secret.as_deref())
        .bind(content.capabilities.as_ref().map(|json| json.get()))
        .bind(content.credential_schema.as_ref().map(|json| json.get()))
        .bind(content.headers.as_deref())
        .bind(content.tool_policy.as_str())
        .bind(content.source.as_deref()))
}

/// Returns a random revision of 52 bits: on Cloudflare an integer is bound as a JavaScript number, which is exact up
/// to 53 bits.
fn revision(platform: &Platform) -> Result<i64> {
    Ok((u64::from_be_bytes(platform.random()?) >> 12).cast_signed())
}
