//! The validation columns of `integrations` and the catalogue in `tools`, which a probe writes together.
//!
//! Scheduling: `next_validation_at` says when an integration is due, `validation_lease_until` that a tick is working on
//! it. A tick claims in one statement, so two ticks never hold the same integration, and what a lost tick held is
//! due again when its lease ends.
//!
//! Probes of one integration may overlap. What one found is recorded only if none that began after it has recorded:
//! `last_validated_at` is when the probe that was recorded last began.

mod catalogue;

use std::time::Duration;

use crate::Platform;
use crate::model::entry::Entry;
use crate::model::target::Transport;
use kernel::Result;
use kernel::digest::sha256_hex;
use kernel::ports::{Statement, Timestamp};
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

/// The integration and the URL that were probed, and since when. Nothing is recorded when the integration was archived or
/// its URL changed meanwhile, nor when a probe that began later has recorded.
#[derive(Clone, Copy)]
pub struct Probed<'a> {
    /// Id of the integration.
    pub id: &'a str,
    /// The URL that was dialled.
    pub url: &'a str,
    /// Hash of the catalogue that an earlier probe found.
    pub catalogue_hash: Option<&'a str>,
    /// When the probe began.
    pub began_at: Timestamp,
}

/// The condition of every statement: the integration still is what was probed, and no probe that began later has recorded. A time
/// beyond now comes from a clock that runs ahead, or was set back since: such a time locks nobody out.
macro_rules! still_newest {
    () => {
        " WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND archived_at IS NULL
          AND (last_validated_at IS NULL OR last_validated_at <= ?4 /* began */ OR last_validated_at > ?3 /* now */)"
    };
}

/// Binds `?1` to `?4`, the same in every statement that records.
fn bound(statement: Statement, probed: Probed<'_>, now: Timestamp) -> Statement {
    statement.bind(probed.id).bind(probed.url).bind(now).bind(probed.began_at)
}

/// Records a successful probe and the catalogue, unless that is what an earlier probe found.
pub async fn record_valid(platform: &Platform, probed: Probed<'_>, found: &Found<'_>) -> Result<()> {
    let now = platform.now();
    let hash = hash(found.tools);
    let next = now + INTERVAL + jitter(platform)?;
    let status = |known: Option<&str>| valid(probed, found, &hash, now, next).bind(known);
    let is_known = probed.catalogue_hash == Some(hash.as_str());
    // The catalogue may have changed since the probe began: then it is written like a new one.
    if !is_known || platform.sql.query(status(Some(&hash))).await?.is_empty() {
        let mut batch = vec![status(None)];
        batch.extend(catalogue::replace(probed, now, found.tools)?);
        platform.sql.batch(batch).await?;
    }
    platform.forget_integrations();
    Ok(())
}

/// The statement of `record_valid` on table `integrations`. It lacks its last parameter, the hash of the catalogue that
/// must be stored (NULL where any may be).
fn valid(probed: Probed<'_>, found: &Found<'_>, hash: &str, now: Timestamp, next: Timestamp) -> Statement {
    let statement = Statement::new(concat!(
        "-- validations.record_valid
        UPDATE integrations
        SET era = ?5 /* era */, protocol_version = ?6 /* version */, validation_status = 'valid',
            validation_message = ?7 /* message */, last_validated_at = ?4 /* began */, next_validation_at = ?8 /* next */,
            validation_lease_until = 0, consecutive_failures = 0, catalogue_hash = ?9 /* hash */,
            transport = ?10 /* transport */",
        still_newest!(),
        " AND (?11 /* known */ IS NULL OR catalogue_hash = ?11)
        RETURNING id"
    ));
    bound(statement, probed, now)
        .bind(found.era.as_str())
        .bind(found.protocol_version)
        .bind(found.message)
        .bind(next)
        .bind(hash)
        .bind(found.transport.as_str())
}

/// Records that the upstream is there and wants a credential that the probe did not have. The catalogue stays.
pub async fn record_reachable(platform: &Platform, probed: Probed<'_>, message: &str) -> Result<()> {
    let now = platform.now();
    let statement = Statement::new(concat!(
        "-- validations.record_reachable
        UPDATE integrations
        SET validation_status = 'valid', validation_message = ?5 /* message */, last_validated_at = ?4 /* began */,
            next_validation_at = ?6 /* next */, validation_lease_until = 0, consecutive_failures = 0",
        still_newest!()
    ));
    let statement = bound(statement, probed, now).bind(message);
    platform.sql.execute(statement.bind(now + INTERVAL + jitter(platform)?)).await?;
    platform.forget_integrations();
    Ok(())
}

/// Records a failed probe; the next one is due after a back-off that doubles up to 64 minutes. The catalogue stays: a
/// dead upstream does not lose its tools.
pub async fn record_invalid(platform: &Platform, probed: Probed<'_>, message: &str) -> Result<()> {
    let statement = Statement::new(concat!(
        "-- validations.record_invalid
        UPDATE integrations
        SET validation_status = 'invalid', validation_message = ?5 /* message */, last_validated_at = ?4 /* began */,
            next_validation_at = ?3 + (60000 + ?6 /* jitter */) * (1 << min(consecutive_failures, 6)),
            validation_lease_until = 0, consecutive_failures = consecutive_failures + 1",
        still_newest!()
    ));
    // Up to 6.5 of 60 seconds.
    let jitter = i64::from(u16::from_be_bytes(platform.random()?)) / 10;
    let statement = bound(statement, probed, platform.now()).bind(message);
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
