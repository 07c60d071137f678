//! Table `oauth_flows`: pending authorizations. Of the state parameter only the hash is stored.

use crate::Platform;
use crate::model::oauth_flow::Flow;
use kernel::digest::sha256_hex;
use kernel::ports::{Statement, Timestamp};
use kernel::seal::Cell;
use kernel::{Error, Result};

/// A flow that was taken from the table, so that no other callback can take the same one.
pub struct Taken {
    /// Id of the integration to connect.
    pub integration_id: String,
    /// Owner of the credential that the authorization will give.
    pub owner: String,
    /// What the callback needs.
    pub flow: Flow,
}

/// Most authorizations that an owner may have under way. One more, and the oldest is given up: who starts many, or
/// abandons them, neither fills the table nor is shut out.
pub const MOST_OPEN: i64 = 20;

/// Stores `flow` under the hash of `state`, until `expires_at`, and deletes the owner's oldest flows beyond
/// [`MOST_OPEN`].
pub async fn insert(
    platform: &Platform,
    integration: &str,
    owner: &str,
    state: &str,
    flow: &Flow,
    expires_at: Timestamp,
) -> Result<()> {
    let hash = sha256_hex(state.as_bytes());
    let json = flow.to_json()?;
    let within = [integration];
    let cell = cell(&hash, owner, &within);
    let sealed = platform.settings.keys.seal(platform.random.as_ref(), cell, json.as_bytes())?;
    let statement = Statement::new(
        "-- oauth_flows.insert
        INSERT INTO oauth_flows (state_hash, integration_id, owner, sealed, created_at, expires_at)
        VALUES (?1 /* hash */, ?2 /* integration */, ?3 /* owner */, ?4 /* sealed */, ?5 /* now */, ?6 /* end */)",
    );
    let statement = statement.bind(hash).bind(integration).bind(owner).bind(sealed);
    let oldest = Statement::new(
        "-- oauth_flows.insert
        DELETE FROM oauth_flows WHERE rowid IN
          (SELECT rowid FROM oauth_flows WHERE owner = ?1 /* owner */
           ORDER BY created_at DESC, rowid DESC LIMIT -1 OFFSET ?2 /* most */)",
    );
    let insert = statement.bind(platform.now()).bind(expires_at);
    platform.sql.batch(vec![insert, oldest.bind(owner).bind(MOST_OPEN)]).await?;
    Ok(())
}

/// Deletes the flow of `state` and returns it; `None` if there is no such flow, if the flow has expired, or if its
/// envelope does not open.
pub async fn take(platform: &Platform, state: &str) -> Result<Option<Taken>> {
    let hash = sha256_hex(state.as_bytes());
    let statement = Statement::new(
        "-- oauth_flows.take
        DELETE FROM oauth_flows WHERE state_hash = ?1 /* hash */
        RETURNING integration_id, owner, sealed, expires_at",
    );
    let rows = platform.sql.query(statement.bind(hash.as_str())).await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut row = row.read();
    let (integration_id, owner, sealed) = (row.text()?, row.text()?, row.text()?);
    if row.time()? <= platform.now() {
        return Ok(None);
    }
    let within = [integration_id.as_str()];
    let cell = cell(&hash, &owner, &within);
    let Some(opened) = platform.settings.keys.open(cell, &sealed) else { return Ok(None) };
    let flow = serde_json::from_slice(opened.expose()).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Some(Taken { integration_id, owner, flow }))
}

fn cell<'a>(hash: &'a str, owner: &'a str, within: &'a [&'a str]) -> Cell<'a> {
    Cell { table: "oauth_flows", row: hash, column: "sealed", owner, within }
}
