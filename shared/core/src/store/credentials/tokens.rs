//! OAuth tokens in table `credentials`: storing, leasing, renewing and ending them.
//!
//! A lease is the time at which it ends, stored in `lease_until`. Only its holder knows that time, and every write of
//! the holder names it. So a slow holder changes nothing once another instance has taken the lease or the credential
//! was replaced.

use super::{columns, from_row};
use crate::Platform;
use crate::model::credential::SealedCredential;
use kernel::Result;
use kernel::ports::{Row, Statement, Timestamp};

/// When a token ends and when it is to be renewed.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenTimes {
    /// When the token ends; `None` if the provider does not say.
    pub expires_at: Option<Timestamp>,
    /// When the scheduled job renews the token; `None` means never.
    pub refresh_at: Option<Timestamp>,
}

/// A credential that only the holder of its lease may renew.
pub struct Leased {
    /// The credential, as stored when the lease was taken.
    pub credential: SealedCredential,
    /// When the lease ends.
    pub until: Timestamp,
}

/// Whether a credential is still the one that was read before, and whether an instance is renewing it.
pub enum Standing {
    /// Unchanged, and no instance is renewing it.
    Free,
    /// Unchanged, and an instance is renewing it.
    Leased,
    /// Changed: an instance renewed the tokens, or the owner connected anew. Holds the credential as it is now.
    Renewed(SealedCredential),
    /// The grant is gone, or the credential was deleted.
    Ended,
}

/// The result of storing renewed tokens.
pub enum Renewal {
    /// The tokens were stored.
    Stored,
    /// Nothing was stored: the credential was replaced or deleted, or another instance holds the lease.
    Superseded,
}

/// Stores the tokens of a new grant in place of their owner's former credential, if the integration is live, still
/// uses OAuth and still has the origin that the tokens were granted for, and the owner was not deleted. Returns `true` if
/// the row was stored.
pub async fn put_tokens(
    platform: &Platform,
    credential: &SealedCredential,
    times: TokenTimes,
) -> Result<bool> {
    stored(platform, put_statement(platform, credential, times, None, &Former::Any)).await
}

/// Runs `statement`. Returns `true` if it stored a row.
async fn stored(platform: &Platform, statement: Statement) -> Result<bool> {
    let stored = platform.sql.query(statement).await?;
    platform.forget_integrations();
    Ok(!stored.is_empty())
}

/// Which credential of the same owner new tokens take the place of.
enum Former<'a> {
    /// Any that is there.
    Any,
    /// The one that was read before the tokens were requested, if there was one.
    Seen(Option<&'a SealedCredential>),
}

/// Like [`put_tokens`], for tokens that several requests may get at the same time without a person: stores nothing if the
/// owner's credential is not `seen` any more, which was read before the tokens were requested.
pub async fn put_tokens_after(
    platform: &Platform,
    credential: &SealedCredential,
    times: TokenTimes,
    seen: Option<&SealedCredential>,
) -> Result<bool> {
    stored(platform, put_statement(platform, credential, times, None, &Former::Seen(seen))).await
}

/// What became of an unconfirmed grant.
#[derive(Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Its tokens are the owner's credential now.
    Stored,
    /// It was deleted, because it has expired or the integration was changed meanwhile.
    Dropped,
    /// There was none: another request has confirmed or cancelled it.
    Gone,
}

/// Stores the tokens of the unconfirmed grant with this `hash` as [`put_tokens`] does, if the grant is there, has not
/// expired and was given for the integration's present URL. Deletes the grant in the same batch, in any case.
pub async fn put_confirmed_tokens(
    platform: &Platform,
    credential: &SealedCredential,
    times: TokenTimes,
    hash: &str,
) -> Result<Confirmation> {
    let put = put_statement(platform, credential, times, Some(hash), &Former::Any);
    let delete = Statement::new(
        "-- credentials.put_confirmed_tokens
        DELETE FROM unconfirmed_grants WHERE secret_hash = ?1 /* hash */ RETURNING secret_hash",
    );
    let outcomes = platform.sql.batch(vec![put, delete.bind(hash)]).await?;
    platform.forget_integrations();
    let wrote = |at: usize| outcomes.get(at).is_some_and(|rows| !rows.is_empty());
    Ok(match (wrote(0), wrote(1)) {
        (true, _) => Confirmation::Stored,
        (false, true) => Confirmation::Dropped,
        (false, false) => Confirmation::Gone,
    })
}

fn put_statement(
    platform: &Platform,
    credential: &SealedCredential,
    times: TokenTimes,
    confirmed: Option<&str>,
    former: &Former<'_>,
) -> Statement {
    let statement = Statement::new(
        "-- credentials.put_tokens
        INSERT INTO credentials (id, integration_id, owner, kind, sealed, created_at, updated_at, expires_at, refresh_at,
                                 origin)
        SELECT ?1 /* id */, i.id, ?2 /* owner */, 'oauth', ?3 /* sealed */, ?4 /* now */, ?4, ?5 /* end */, ?6 /* refresh */,
               ?8 /* origin */
        FROM integrations i
        WHERE i.id = ?7 /* integration */ AND i.archived_at IS NULL AND i.auth_mode = 'oauth'
          AND NOT EXISTS (SELECT 1 FROM principals WHERE id = ?2 AND deleted_at IS NOT NULL)
          AND instr(i.url, ?8 || '/') = 1
          AND (?9 /* confirmed */ IS NULL OR EXISTS
               (SELECT 1 FROM unconfirmed_grants g
                WHERE g.secret_hash = ?9 AND g.integration_id = i.id AND g.url = i.url AND g.expires_at > ?4))
        ON CONFLICT (integration_id, owner) DO UPDATE
        SET id = excluded.id, kind = 'oauth', sealed = excluded.sealed, updated_at = excluded.updated_at,
            expires_at = excluded.expires_at, refresh_at = excluded.refresh_at, status = 'active', lease_until = 0,
            last_refreshed_at = NULL, origin = excluded.origin
        WHERE ?10 /* whatever is there */ OR credentials.sealed = ?11 /* seen */
        RETURNING id",
    );
    let seen = match former {
        Former::Any => None,
        Former::Seen(seen) => seen.map(|seen| seen.sealed.as_str()),
    };
    statement
        .bind(credential.id.as_str())
        .bind(credential.owner.as_str())
        .bind(credential.sealed.as_str())
        .bind(platform.now())
        .bind(times.expires_at)
        .bind(times.refresh_at)
        .bind(credential.integration_id.as_str())
        .bind(credential.origin.as_deref())
        .bind(confirmed)
        .bind(matches!(former, Former::Any))
        .bind(seen)
}

/// Compares `seen` with the credential that its owner has for `integration` now. The owner may have connected anew
/// since, which gives the row another id.
///
/// Instances that wait for another instance's lease poll this function, a read, and call [`lease`], a write, only
/// when the lease is free.
pub async fn standing(platform: &Platform, integration: &str, seen: &SealedCredential) -> Result<Standing> {
    let statement = Statement::new(concat!(
        "-- credentials.standing
        SELECT ",
        columns!(),
        ", status, lease_until FROM credentials WHERE integration_id = ?1 /* integration */ AND owner = ?2 /* owner */"
    ));
    let rows = platform.sql.query(statement.bind(integration).bind(seen.owner.as_str())).await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(Standing::Ended);
    };
    let mut row = row.read();
    let found = from_row(&mut row)?;
    Ok(match (row.text()?.as_str(), row.time()?) {
        ("active", _) if found.sealed != seen.sealed => Standing::Renewed(found),
        ("active", until) if until > platform.now() => Standing::Leased,
        ("active", _) => Standing::Free,
        _ => Standing::Ended,
    })
}

/// Takes the lease on `seen` until `until`. Returns `None` if another instance holds the lease or the credential has
/// changed.
pub async fn lease(platform: &Platform, seen: &SealedCredential, until: Timestamp) -> Result<Option<Leased>> {
    let statement = Statement::new(
        "-- credentials.lease
        UPDATE credentials SET lease_until = ?3 /* until */
        WHERE id = ?1 /* id */ AND status = 'active' AND lease_until <= ?2 /* now */ AND sealed = ?4 /* seen */
        RETURNING id",
    );
    let statement =
        statement.bind(seen.id.as_str()).bind(platform.now()).bind(until).bind(seen.sealed.as_str());
    let is_mine = !platform.sql.query(statement).await?.is_empty();
    Ok(is_mine.then(|| Leased { credential: seen.clone(), until }))
}

/// Stores renewed tokens and ends the lease.
pub async fn renew(
    platform: &Platform,
    leased: &Leased,
    renewed: &SealedCredential,
    times: TokenTimes,
) -> Result<Renewal> {
    let now = platform.now();
    let statement = Statement::new(
        "-- credentials.renew
        UPDATE credentials
        SET sealed = ?3 /* sealed */, expires_at = ?4 /* end */, refresh_at = ?5 /* refresh */, lease_until = 0,
            last_refreshed_at = ?6 /* now */, updated_at = ?6
        WHERE id = ?1 /* id */ AND lease_until = ?2 /* lease */
        RETURNING id",
    );
    let statement = statement
        .bind(renewed.id.as_str())
        .bind(leased.until)
        .bind(renewed.sealed.as_str())
        .bind(times.expires_at)
        .bind(times.refresh_at)
        .bind(now);
    let stored = platform.sql.query(statement).await?;
    platform.forget_credentials();
    Ok(if stored.is_empty() { Renewal::Superseded } else { Renewal::Stored })
}

/// Ends the lease without new tokens. The scheduled job tries again at `next`.
pub async fn release(platform: &Platform, leased: &Leased, next: Timestamp) -> Result<()> {
    let statement = Statement::new(
        "-- credentials.release
        UPDATE credentials SET lease_until = 0, refresh_at = iif(refresh_at IS NULL, NULL, ?3 /* next */)
        WHERE id = ?1 /* id */ AND lease_until = ?2 /* lease */",
    );
    platform.sql.execute(statement.bind(leased.credential.id.as_str()).bind(leased.until).bind(next)).await?;
    Ok(())
}

/// Marks a credential whose grant is gone and ends the lease. No instance tries to renew the credential again.
pub async fn mark_needs_reauth(platform: &Platform, leased: &Leased) -> Result<()> {
    let statement = Statement::new(
        "-- credentials.mark_needs_reauth
        UPDATE credentials SET status = 'needs_reauth', refresh_at = NULL, lease_until = 0, updated_at = ?3 /* now */
        WHERE id = ?1 /* id */ AND lease_until = ?2 /* lease */",
    );
    let statement = statement.bind(leased.credential.id.as_str()).bind(leased.until).bind(platform.now());
    platform.sql.execute(statement).await?;
    platform.forget_credentials();
    Ok(())
}

/// Returns at most `limit` credentials of live integrations that are due for renewal, each with its integration's id.
pub async fn due(platform: &Platform, limit: u32) -> Result<Vec<(String, SealedCredential)>> {
    let statement = Statement::new(
        "-- credentials.due
        SELECT c.id, c.integration_id, c.owner, c.kind, c.sealed, c.expires_at, c.origin
        FROM credentials c JOIN integrations i ON i.id = c.integration_id AND i.archived_at IS NULL
        WHERE c.refresh_at <= ?1 /* now */ AND c.status = 'active' AND c.lease_until <= ?1
        ORDER BY c.refresh_at LIMIT ?2 /* limit */",
    );
    let read = |row: Row| {
        let credential = from_row(&mut row.read())?;
        Ok((credential.integration_id.clone(), credential))
    };
    let rows = platform.sql.query(statement.bind(platform.now()).bind(i64::from(limit))).await?;
    rows.into_iter().map(read).collect()
}

/// Records that an upstream refused the credential `id` because its token lacks rights. `scope` has all scopes to
/// request next: those granted and those demanded. Returns how many times in a row this happened with the same
/// `scope`; a new grant does not reset the number.
pub async fn want_scope(platform: &Platform, id: &str, scope: &str) -> Result<i64> {
    let statement = Statement::new(
        "-- credentials.want_scope
        UPDATE credentials
        SET wanted_scope = ?2 /* scope */, step_ups = iif(wanted_scope IS ?2, step_ups + 1, 1) WHERE id = ?1 /* id */
        RETURNING step_ups",
    );
    let rows = platform.sql.query(statement.bind(id).bind(scope)).await?;
    rows.into_iter().next().map_or(Ok(0), |row| row.read().integer())
}

/// Returns the scopes that [`want_scope`] recorded for `owner`'s credential, for the next authorization to request.
pub async fn wanted_scope(platform: &Platform, integration: &str, owner: &str) -> Result<Option<String>> {
    let statement = Statement::new(
        "-- credentials.wanted_scope
        SELECT wanted_scope FROM credentials WHERE integration_id = ?1 /* integration */ AND owner = ?2 /* owner */",
    );
    let rows = platform.sql.query(statement.bind(integration).bind(owner)).await?;
    rows.into_iter().next().map_or(Ok(None), |row| row.read().optional_text())
}
