//! The validation columns of `integrations` and the catalogue in `tools`, which a probe writes together.
//!
//! Scheduling: `next_validation_at` says when an integration is due, `validation_lease_until` that a tick is working on
//! it. A tick claims in one statement, so two ticks never hold the same integration, and what a lost tick held is
//! due again when its lease ends.

mod catalogue;

use std::time::Duration;

use crate::Platform;
use crate::model::entry::Entry;
use crate::model::target::Transport;
use kernel::Result;
use kernel::digest::sha256_hex;
use kernel::ports::Statement;
use mcp::Era;

/// Time between two probes of a healthy integration, before jitter.
pub const INTERVAL: Duration = Duration::from_mins(15);
/// How long one tick may hold an integration.
const LEASE: Duration = Duration::from_mins(2);

/// Ids of integrations that are due; they belong to the caller for [`LEASE`].
pub async fn claim_due(platform: &Platform, limit: u32) -> Result<Vec<String>> {
    let now = platform.now();
    let statement = Statement::new(
        "-- validations.claim_due
        UPDATE integrations SET validation_lease_until = ?2 /* lease */
        WHERE id IN (SELECT id FROM integrations
                     WHERE archived_at IS NULL AND state = 'running' AND next_validation_at <= ?1 /* now */
                       AND validation_lease_until <= ?1
                     ORDER BY next_validation_at LIMIT ?3 /* limit */)
        RETURNING id",
    );
    let rows = platform.sql.query(statement.bind(now).bind(now + LEASE).bind(i64::from(limit))).await?;
    rows.into_iter().map(|row| row.read().text()).collect()
}

/// What a successful probe found.
pub struct Found<'a> {
    /// How the upstream speaks MCP.
    pub era: Era,
    /// How it is spoken to.
    pub transport: Transport,
    /// The negotiated revision.
    pub protocol_version: &'a str,
    /// Its whole catalogue.
    pub tools: &'a [Entry],
    /// What the operator is told.
    pub message: &'a str,
}

/// The integration and the URL that were probed. Nothing is recorded when it was archived or its URL changed meanwhile.
#[derive(Clone, Copy)]
pub struct Probed<'a> {
    /// Id of the integration.
    pub id: &'a str,
    /// The URL that was dialled.
    pub url: &'a str,
    /// Hash of the catalogue that an earlier probe found.
    pub catalogue_hash: Option<&'a str>,
}

/// Records a successful probe and the catalogue, unless that is what an earlier probe found.
pub async fn record_valid(platform: &Platform, probed: Probed<'_>, found: &Found<'_>) -> Result<()> {
    let now = platform.now();
    let statement = Statement::new(
        "-- validations.record_valid
        UPDATE integrations
        SET era = ?3 /* era */, protocol_version = ?4 /* version */, validation_status = 'valid',
            validation_message = ?5 /* message */, last_validated_at = ?6 /* now */, next_validation_at = ?7 /* next */,
            validation_lease_until = 0, consecutive_failures = 0, catalogue_hash = ?8 /* hash */,
            transport = ?9 /* transport */
        WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND archived_at IS NULL",
    );
    let hash = hash(found.tools);
    let status = statement
        .bind(probed.id)
        .bind(probed.url)
        .bind(found.era.as_str())
        .bind(found.protocol_version)
        .bind(found.message)
        .bind(now)
        .bind(now + INTERVAL + jitter(platform)?)
        .bind(hash.as_str())
        .bind(found.transport.as_str());
    let mut batch = vec![status];
    if probed.catalogue_hash != Some(hash.as_str()) {
        batch.extend(catalogue::replace(probed, now, found.tools)?);
    }
    platform.sql.batch(batch).await?;
    platform.forget_integrations();
    Ok(())
}

/// Records that the upstream is there and wants a credential that the probe did not have. The catalogue stays.
pub async fn record_reachable(platform: &Platform, probed: Probed<'_>, message: &str) -> Result<()> {
    let now = platform.now();
    let statement = Statement::new(
        "-- validations.record_reachable
        UPDATE integrations
        SET validation_status = 'valid', validation_message = ?3 /* message */, last_validated_at = ?4 /* now */,
            next_validation_at = ?5 /* next */, validation_lease_until = 0, consecutive_failures = 0
        WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND archived_at IS NULL",
    );
    let statement = statement.bind(probed.id).bind(probed.url).bind(message).bind(now);
    platform.sql.execute(statement.bind(now + INTERVAL + jitter(platform)?)).await?;
    platform.forget_integrations();
    Ok(())
}

/// Records a failed probe; the next one is due after a back-off that doubles up to 64 minutes. The catalogue stays: a
/// dead upstream does not lose its tools.
pub async fn record_invalid(platform: &Platform, probed: Probed<'_>, message: &str) -> Result<()> {
    let statement = Statement::new(
        "-- validations.record_invalid
        UPDATE integrations
        SET validation_status = 'invalid', validation_message = ?3 /* message */, last_validated_at = ?4 /* now */,
            next_validation_at = ?4 + (60000 + ?5 /* jitter */) * (1 << min(consecutive_failures, 6)),
            validation_lease_until = 0, consecutive_failures = consecutive_failures + 1
        WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND archived_at IS NULL",
    );
    // Up to 6.5 of 60 seconds.
    let jitter = i64::from(u16::from_be_bytes(platform.random()?)) / 10;
    let statement = statement.bind(probed.id).bind(probed.url).bind(message).bind(platform.now());
    platform.sql.execute(statement.bind(jitter)).await?;
    platform.forget_integrations();
    Ok(())
}

/// Up to 5.5 minutes, so that what was registered together is not probed together for ever.
fn jitter(platform: &Platform) -> Result<Duration> {
    Ok(Duration::from_millis(u64::from(u16::from_be_bytes(platform.random()?)) * 5))
}

/// One hash for a whole catalogue, every byte of it.
fn hash(tools: &[Entry]) -> String {
    let mut all = Vec::new();
    for tool in tools {
        for part in [&tool.name, &tool.definition] {
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part.as_bytes());
        }
    }
    sha256_hex(&all)
}
