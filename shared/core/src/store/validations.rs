//! What a probe writes: the validation columns of `integrations` and, in the same batch, the catalogue in
//! `catalogue_entries`.
//!
//! Probes with the organization's credential, or without one, decide what everybody sees. A probe with one user's
//! credential (`record_seen_by_user`) fills an empty catalogue; after that it only leaves entries for review.
//!
//! Scheduling: `next_validation_at` says when an integration is due, `validation_lease_until` until when a tick of
//! the job `validate` has claimed the integration. A tick claims integrations in one statement, so two ticks never
//! hold the same one. If a tick dies, its integrations are due again when the lease ends.
//!
//! Probes of one integration may overlap. The result of a probe is recorded only if no probe that began later has
//! been recorded: `last_validated_at` is when the probe that was recorded last began.

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
/// How long a tick may hold an integration.
const LEASE: Duration = Duration::from_mins(2);

/// Claims at most `limit` integrations that are due, for [`LEASE`]. Returns their ids.
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
    /// The upstream's era.
    pub era: Era,
    /// The upstream's transport.
    pub transport: Transport,
    /// The negotiated MCP revision.
    pub protocol_version: &'a str,
    /// The upstream's whole catalogue.
    pub tools: &'a [Entry],
    /// The text that operators see.
    pub message: &'a str,
}

/// Which integration and URL were probed, and since when. The result is not recorded if the integration was archived
/// or its URL changed during the probe, or if a probe that began later has been recorded.
#[derive(Clone, Copy)]
pub struct Probed<'a> {
    /// Id of the integration.
    pub id: &'a str,
    /// The URL that was dialled.
    pub url: &'a str,
    /// Hash of the stored catalogue, read when the probe began.
    pub catalogue_hash: Option<&'a str>,
    /// When the probe began.
    pub began_at: Timestamp,
}

/// The condition of every statement: the integration is live and has the URL that was probed, and no probe that began
/// later has been recorded. A recorded time in the future comes from a clock that is ahead or was set back; the
/// condition ignores such a time, because otherwise no probe could be recorded until then.
macro_rules! still_newest {
    () => {
        " WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND archived_at IS NULL
          AND (last_validated_at IS NULL OR last_validated_at <= ?4 /* began */ OR last_validated_at > ?3 /* now */)"
    };
}

/// The condition that the organization has no credential for the integration.
macro_rules! no_organization_credential {
    () => {
        " NOT EXISTS (SELECT 1 FROM credentials WHERE integration_id = ?1 /* integration */ AND owner = 'organization')"
    };
}
use no_organization_credential;

/// Binds `?1` to `?4`, which are the same in every statement that records a probe.
fn bound(statement: Statement, probed: Probed<'_>, now: Timestamp) -> Statement {
    statement.bind(probed.id).bind(probed.url).bind(now).bind(probed.began_at)
}

/// Records a successful probe, and the catalogue if that differs from the stored one.
pub async fn record_valid(platform: &Platform, probed: Probed<'_>, found: &Found<'_>) -> Result<()> {
    let now = platform.now();
    let hash = hash(found.tools);
    let next = now + INTERVAL + jitter(platform)?;
    let status = |known: Option<&str>| valid(probed, found, &hash, now, next).bind(known);
    let is_known = probed.catalogue_hash == Some(hash.as_str());
    // If the stored catalogue has changed since the probe began, the statement matches no row, and the catalogue is
    // written.
    if !is_known || platform.sql.query(status(Some(&hash))).await?.is_empty() {
        let mut batch = vec![status(None)];
        batch.extend(catalogue::replace(probed, now, found.tools)?);
        platform.sql.batch(batch).await?;
    }
    platform.forget_integrations();
    Ok(())
}

/// Records a successful probe with one user's credential, and for review what it found new or changed. Records nothing
/// if the organization has a credential: that one's probes say how the integration is.
pub async fn record_seen_by_user(platform: &Platform, probed: Probed<'_>, found: &Found<'_>) -> Result<()> {
    let now = platform.now();
    let statement = Statement::new(concat!(
        "-- validations.record_seen_by_user
        UPDATE integrations
        SET era = ?5 /* era */, protocol_version = ?6 /* version */, transport = ?7 /* transport */,
            validation_status = 'valid', validation_message = ?8 /* message */, last_validated_at = ?4 /* began */,
            consecutive_failures = 0, catalogue_hash = coalesce(catalogue_hash, 'seen by a user')",
        still_newest!(),
        " AND",
        no_organization_credential!()
    ));
    let seen = bound(statement, probed, now)
        .bind(found.era.as_str())
        .bind(found.protocol_version)
        .bind(found.transport.as_str())
        .bind(found.message);
    let mut batch = vec![seen];
    batch.extend(catalogue::propose(probed, now, found.tools)?);
    platform.sql.batch(batch).await?;
    platform.forget_integrations();
    Ok(())
}

/// The statement of `record_valid` on table `integrations`. Its last parameter is bound by `record_valid`: the hash
/// that the stored catalogue must have, NULL if any hash will do.
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

/// Records that the integration is usable although no catalogue was read: the upstream answered and wants a
/// credential that the probe did not have, or the integration only stores credentials. The catalogue stays.
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

/// Records a failed probe. The next probe is due after a back-off that starts at one minute, plus jitter, and doubles
/// up to 64 minutes. The catalogue stays: an upstream that is down does not lose its tools.
pub async fn record_invalid(platform: &Platform, probed: Probed<'_>, message: &str) -> Result<()> {
    let statement = Statement::new(concat!(
        "-- validations.record_invalid
        UPDATE integrations
        SET validation_status = 'invalid', validation_message = ?5 /* message */, last_validated_at = ?4 /* began */,
            next_validation_at = ?3 + (60000 + ?6 /* jitter */) * (1 << min(consecutive_failures, 6)),
            validation_lease_until = 0, consecutive_failures = consecutive_failures + 1",
        still_newest!()
    ));
    // Up to 6.5 seconds on top of the 60 seconds that the back-off doubles.
    let jitter = i64::from(u16::from_be_bytes(platform.random()?)) / 10;
    let statement = bound(statement, probed, platform.now()).bind(message);
    platform.sql.execute(statement.bind(jitter)).await?;
    platform.forget_integrations();
    Ok(())
}

/// Returns a random duration of up to 5.5 minutes, so that integrations registered together are not probed together
/// for ever.
fn jitter(platform: &Platform) -> Result<Duration> {
    Ok(Duration::from_millis(u64::from(u16::from_be_bytes(platform.random()?)) * 5))
}

/// Returns the SHA-256 over every name and definition of a catalogue, byte for byte.
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
