//! Table `oauth_clients`: the clients that Postern registered at authorization servers, by issuer and redirect
//! URI, so that Postern registers anew when its redirect URIs change.

use crate::Platform;
use crate::model::credential::ORGANIZATION;
use crate::model::oauth_client::OauthClient;
use kernel::Result;
use kernel::ports::{Statement, Timestamp};
use kernel::seal::Cell;

/// Returns the client at `issuer` with this redirect URI; `None` if there is none or its secret has expired.
pub async fn find(platform: &Platform, issuer: &str, redirect_uri: &str) -> Result<Option<OauthClient>> {
    let statement = Statement::new(
        "-- oauth_clients.find
        SELECT sealed FROM oauth_clients
        WHERE issuer = ?1 /* issuer */ AND redirect_origin = ?2 /* redirect URI */
          AND (expires_at IS NULL OR expires_at > ?3 /* now */)",
    );
    let rows = platform.sql.query(statement.bind(issuer).bind(redirect_uri).bind(platform.now())).await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let opened = platform.settings.keys.open(cell(issuer), &row.read().text()?);
    // A client that does not open counts as none, so that Postern registers a new one.
    Ok(opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok()))
}

/// Stores a client in place of the former one. `expires_at` is when its secret expires.
pub async fn put(
    platform: &Platform,
    issuer: &str,
    redirect_uri: &str,
    client: &OauthClient,
    expires_at: Option<Timestamp>,
) -> Result<()> {
    let json = client.to_json()?;
    let sealed = platform.settings.keys.seal(platform.random.as_ref(), cell(issuer), json.as_bytes())?;
    let statement = Statement::new(
        "-- oauth_clients.put
        INSERT INTO oauth_clients (issuer, redirect_origin, sealed, created_at, expires_at)
        VALUES (?1 /* issuer */, ?2 /* redirect URI */, ?3 /* sealed */, ?4 /* now */, ?5 /* end */)
        ON CONFLICT (issuer, redirect_origin) DO UPDATE
        SET sealed = excluded.sealed, created_at = excluded.created_at, expires_at = excluded.expires_at",
    );
    let statement = statement.bind(issuer).bind(redirect_uri).bind(sealed).bind(platform.now());
    platform.sql.execute(statement.bind(expires_at)).await?;
    Ok(())
}

/// Deletes the clients at `issuer`, because the authorization server no longer knows them.
pub async fn forget(platform: &Platform, issuer: &str) -> Result<()> {
    let statement = Statement::new(
        "-- oauth_clients.forget
        DELETE FROM oauth_clients WHERE issuer = ?1 /* issuer */",
    );
    platform.sql.execute(statement.bind(issuer)).await?;
    Ok(())
}

fn cell(issuer: &str) -> Cell<'_> {
    Cell { table: "oauth_clients", row: issuer, column: "sealed", owner: ORGANIZATION, within: &[] }
}
