//! When the organization's connections came about and were last used: read from `integrations`, `credentials` and
//! `audit_events`.

use std::collections::BTreeMap;

use crate::Platform;
use kernel::ports::{Statement, Timestamp};
use kernel::{Error, Result};

/// The times of the organization's connection to one upstream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// When the organization's credential was stored; of an integration without credentials, when it became live. `None`
    /// if the credential is missing.
    pub connected_at: Option<Timestamp>,
    /// When the organization's token was last renewed; `None` if it never was.
    pub last_refreshed_at: Option<Timestamp>,
    /// When a caller last called a tool of the integration, as far as the audit log goes back.
    pub last_used_at: Option<Timestamp>,
}

/// Returns the times of these live integrations by their ids.
pub async fn times(platform: &Platform, integrations: &[&str]) -> Result<BTreeMap<String, Times>> {
    let ids = serde_json::to_string(integrations).map_err(|error| Error::internal(error.to_string()))?;
    let statement = Statement::new(
        "-- connections.times
        SELECT i.id, iif(i.auth_mode = 'none', coalesce(i.revived_at, i.created_at), c.created_at),
               c.last_refreshed_at,
               (SELECT a.timestamp FROM audit_events a
                WHERE a.connection = i.slug AND a.timestamp >= coalesce(i.revived_at, i.created_at) AND a.authorized = 1
                ORDER BY a.timestamp DESC LIMIT 1)
        FROM json_each(?1 /* ids */) wanted
        JOIN integrations i ON i.id = wanted.value AND i.archived_at IS NULL
        LEFT JOIN credentials c ON c.integration_id = i.id AND c.owner = 'organization'",
    );
    let read = |row: kernel::ports::Row| {
        let mut row = row.read();
        let id = row.text()?;
        let (connected_at, last_refreshed_at) = (row.optional_time()?, row.optional_time()?);
        Ok((id, Times { connected_at, last_refreshed_at, last_used_at: row.optional_time()? }))
    };
    platform.sql.query(statement.bind(ids)).await?.into_iter().map(read).collect()
}
