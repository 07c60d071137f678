//! Table `unconfirmed_grants`: the tokens of sign-ins that wait for their confirmation. Of the secret in the browser's
//! cookie only the hash is stored. A confirmed grant is moved to `credentials` by [`super::credentials::put_tokens`].

use crate::Platform;
use crate::model::integration::Integration;
use crate::model::unconfirmed_grant::UnconfirmedGrant;
use kernel::Result;
use kernel::ports::{Reader, Statement, Timestamp};
use kernel::seal::Cell;

/// A stored grant.
pub struct Stored {
    /// Id of the integration to connect.
    pub integration_id: String,
    /// Owner of the credential.
    pub owner: String,
    /// The tokens and what storing them needs.
    pub grant: UnconfirmedGrant,
}

/// Stores `grant` under the `hash` of the browser's secret, until `expires_at`. The grant can be confirmed only as long
/// as `integration` has the URL that it has now.
pub async fn insert(
    platform: &Platform,
    integration: &Integration,
    owner: &str,
    hash: &str,
    grant: &UnconfirmedGrant,
    expires_at: Timestamp,
) -> Result<()> {
    let json = grant.to_json()?;
    let sealed = platform.settings.keys.seal(platform.random.as_ref(), cell(hash, owner), json.as_bytes())?;
    let statement = Statement::new(
        "-- unconfirmed_grants.insert
        INSERT INTO unconfirmed_grants (secret_hash, integration_id, owner, url, sealed, created_at, expires_at)
        VALUES (?1 /* hash */, ?2 /* integration */, ?3 /* owner */, ?4 /* url */, ?5 /* sealed */, ?6 /* now */,
                ?7 /* end */)",
    );
    let statement = statement
        .bind(hash)
        .bind(integration.id.as_str())
        .bind(owner)
        .bind(integration.content.url.as_str())
        .bind(sealed)
        .bind(platform.now())
        .bind(expires_at);
    Ok(platform.sql.execute(statement).await?)
}

/// Returns the grant of the secret with this `hash`; `None` if there is none, if the grant has expired, or if its
/// envelope does not open. The grant stays in the table.
pub async fn find(platform: &Platform, hash: &str) -> Result<Option<Stored>> {
    let statement = Statement::new(
        "-- unconfirmed_grants.find
        SELECT secret_hash, integration_id, owner, sealed FROM unconfirmed_grants
        WHERE secret_hash = ?1 /* hash */ AND expires_at > ?2 /* now */",
    );
    let rows = platform.sql.query(statement.bind(hash).bind(platform.now())).await?;
    rows.into_iter().next().map_or(Ok(None), |row| opened(platform, &mut row.read()))
}

/// Deletes the grant of the secret with this `hash` and returns it; `None` if there is none or if its envelope does not
/// open.
pub async fn take(platform: &Platform, hash: &str) -> Result<Option<Stored>> {
    let statement = Statement::new(
        "-- unconfirmed_grants.take
        DELETE FROM unconfirmed_grants WHERE secret_hash = ?1 /* hash */
        RETURNING secret_hash, integration_id, owner, sealed",
    );
    let rows = platform.sql.query(statement.bind(hash)).await?;
    rows.into_iter().next().map_or(Ok(None), |row| opened(platform, &mut row.read()))
}

/// Deletes at most `limit` expired grants and returns those whose envelopes open.
pub async fn purge(platform: &Platform, limit: u32) -> Result<Vec<Stored>> {
    let statement = Statement::new(
        "-- unconfirmed_grants.purge
        DELETE FROM unconfirmed_grants WHERE secret_hash IN
          (SELECT secret_hash FROM unconfirmed_grants WHERE expires_at <= ?1 /* now */ LIMIT ?2 /* limit */)
        RETURNING secret_hash, integration_id, owner, sealed",
    );
    let rows = platform.sql.query(statement.bind(platform.now()).bind(i64::from(limit))).await?;
    let opened = rows.into_iter().map(|row| opened(platform, &mut row.read()));
    opened.filter_map(Result::transpose).collect()
}

fn opened(platform: &Platform, row: &mut Reader) -> Result<Option<Stored>> {
    let (hash, integration_id, owner, sealed) = (row.text()?, row.text()?, row.text()?, row.text()?);
    let opened = platform.settings.keys.open(cell(&hash, &owner), &sealed);
    let grant = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok());
    Ok(grant.map(|grant| Stored { integration_id, owner, grant }))
}

fn cell<'a>(hash: &'a str, owner: &'a str) -> Cell<'a> {
    Cell { table: "unconfirmed_grants", row: hash, column: "sealed", owner, within: &[] }
}
