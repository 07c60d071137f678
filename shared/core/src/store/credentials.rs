//! Table `credentials`: the sealed credentials of users and of the organization.
//!
//! Archiving an integration or changing its auth mode deletes rows here, in the same batch as the write to
//! `integrations` (see `store::integrations`).

mod tokens;

pub use self::tokens::{
    Confirmation, Leased, Renewal, Standing, TokenTimes, due, lease, mark_needs_reauth, put_confirmed_tokens,
    put_tokens, put_tokens_after, release, renew, standing, want_scope, wanted_scope,
};
use crate::Platform;
use crate::model::credential::{ORGANIZATION, SealedCredential};
use kernel::Result;
use kernel::ports::{Reader, Statement};

macro_rules! columns {
    () => {
        "id, integration_id, owner, kind, sealed, expires_at, origin"
    };
}
use columns;

/// Returns the credential that `owner` may use: the owner's own, else the organization's, else `None`.
pub async fn resolve(
    platform: &Platform,
    integration: &str,
    owner: &str,
) -> Result<Option<SealedCredential>> {
    let statement = Statement::new(concat!(
        "-- credentials.resolve
        SELECT ",
        columns!(),
        " FROM credentials
        WHERE integration_id = ?1 /* integration */ AND owner IN (?2 /* owner */, 'organization')
        ORDER BY owner = 'organization' LIMIT 1"
    ));
    let rows = platform.sql.query(statement.bind(integration).bind(owner)).await?;
    rows.into_iter().next().map(|row| from_row(&mut row.read())).transpose()
}

/// Returns the organization's credential, if there is one.
pub async fn of_organization(platform: &Platform, integration: &str) -> Result<Option<SealedCredential>> {
    resolve(platform, integration, ORGANIZATION).await
}

/// Stores `credential` in place of its owner's former one, if the integration is live and still has this `revision`.
/// Returns `true` if the row was stored.
pub async fn put(
    platform: &Platform,
    integration: &str,
    revision: i64,
    credential: &SealedCredential,
) -> Result<bool> {
    let stored = platform.sql.query(put_statement(platform, integration, revision, credential)).await?;
    platform.forget_integrations();
    Ok(!stored.is_empty())
}

/// Deletes `owner`'s own credential and returns it; `None` if there was none.
pub async fn delete(platform: &Platform, integration: &str, owner: &str) -> Result<Option<SealedCredential>> {
    let statement = Statement::new(concat!(
        "-- credentials.delete
        DELETE FROM credentials WHERE integration_id = ?1 /* integration */ AND owner = ?2 /* owner */
        RETURNING ",
        columns!()
    ));
    let rows = platform.sql.query(statement.bind(integration).bind(owner)).await?;
    platform.forget_integrations();
    rows.into_iter().next().map(|row| from_row(&mut row.read())).transpose()
}

pub(super) fn put_statement(
    platform: &Platform,
    integration: &str,
    revision: i64,
    credential: &SealedCredential,
) -> Statement {
    let statement = Statement::new(
        "-- credentials.put
        INSERT INTO credentials (id, integration_id, owner, kind, sealed, created_at, updated_at, origin)
        SELECT ?1 /* id */, i.id, ?2 /* owner */, ?3 /* kind */, ?4 /* sealed */, ?5 /* now */, ?5, ?8 /* origin */
        FROM integrations i
        WHERE i.id = ?6 /* integration */ AND i.revision = ?7 /* revision */ AND i.archived_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM principals WHERE id = ?2 AND deleted_at IS NOT NULL)
        ON CONFLICT (integration_id, owner) DO UPDATE
        SET id = excluded.id, kind = excluded.kind, sealed = excluded.sealed, expires_at = NULL, refresh_at = NULL,
            status = 'active', lease_until = 0, updated_at = excluded.updated_at, origin = excluded.origin
        RETURNING id",
    );
    statement
        .bind(credential.id.as_str())
        .bind(credential.owner.as_str())
        .bind(credential.kind.as_str())
        .bind(credential.sealed.as_str())
        .bind(platform.now())
        .bind(integration)
        .bind(revision)
        .bind(credential.origin.as_deref())
}

/// Marks a credential that its upstream refused, or that was given for another origin: its owner has to give a new one.
/// Changes nothing if the credential has been replaced since it was read.
pub async fn mark_refused(platform: &Platform, seen: &SealedCredential) -> Result<()> {
    let statement = Statement::new(
        "-- credentials.mark_refused
        UPDATE credentials SET status = 'needs_reauth', refresh_at = NULL, lease_until = 0, updated_at = ?3 /* now */
        WHERE id = ?1 /* id */ AND sealed = ?2 /* seen */ AND status = 'active'",
    );
    let statement = statement.bind(seen.id.as_str()).bind(seen.sealed.as_str()).bind(platform.now());
    platform.sql.execute(statement).await?;
    platform.forget_credentials();
    Ok(())
}

/// Takes back [`mark_refused`]: the upstream accepted the token after all.
pub async fn mark_accepted(platform: &Platform, seen: &SealedCredential) -> Result<()> {
    let statement = Statement::new(
        "-- credentials.mark_accepted
        UPDATE credentials SET status = 'active', updated_at = ?3 /* now */
        WHERE id = ?1 /* id */ AND sealed = ?2 /* seen */ AND status = 'needs_reauth' AND kind <> 'oauth'",
    );
    let statement = statement.bind(seen.id.as_str()).bind(seen.sealed.as_str()).bind(platform.now());
    platform.sql.execute(statement).await?;
    platform.forget_credentials();
    Ok(())
}

fn from_row(row: &mut Reader) -> Result<SealedCredential> {
    Ok(SealedCredential {
        id: row.text()?,
        integration_id: row.text()?,
        owner: row.text()?,
        kind: row.text()?.parse()?,
        sealed: row.text()?,
        expires_at: row.optional_time()?,
        origin: row.optional_text()?,
    })
}
