//! The validation columns of `integrations` and the catalogue in `tools`, which a probe writes together.
//!
//! Scheduling: `next_validation_at` says when an integration is due, `validation_lease_until` that a tick is working on
//! it. A tick claims in one statement, so two ticks never hold the same integration, and what a lost tick held is
//! due again when its lease ends.

use std::time::Duration;

use serde::Serialize;

use crate::mcp::Era;
use crate::mcp::headers::ParamHeader;
use crate::model::tool::Tool;
use crate::platform::{Statement, Timestamp};
use crate::{Error, Platform, Result};

/// Time between two probes of a healthy integration, before jitter.
pub const INTERVAL: Duration = Duration::from_mins(15);
/// How long one tick may hold an integration.
const LEASE: Duration = Duration::from_mins(2);
/// A bound parameter may have 2 MB on D1: a catalogue travels in pieces of at most this many bytes.
const PIECE_BYTES: usize = 1_000_000;

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
    /// The negotiated revision.
    pub protocol_version: &'a str,
    /// Its whole catalogue.
    pub tools: &'a [Tool],
    /// What the operator is told.
    pub message: &'a str,
}

/// Records a successful probe of `url` and replaces the catalogue. Nothing happens when the integration was archived or
/// its URL changed in the meantime.
pub async fn record_valid(platform: &Platform, id: &str, url: &str, found: &Found<'_>) -> Result<()> {
    let now = platform.now();
    let jitter = u64::from(u16::from_be_bytes(platform.random()?)) * 5;
    let next = now + INTERVAL + Duration::from_millis(jitter);
    let status = Statement::new(
        "-- validations.record_valid
        UPDATE integrations
        SET era = ?3 /* era */, protocol_version = ?4 /* version */, validation_status = 'valid',
            validation_message = ?5 /* message */, last_validated_at = ?6 /* now */, next_validation_at = ?7 /* next */,
            validation_lease_until = 0, consecutive_failures = 0
        WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND archived_at IS NULL",
    );
    let gone = Statement::new(
        "-- validations.record_valid: gone
        DELETE FROM tools WHERE integration_id = ?1 /* id */
          AND name NOT IN (SELECT value FROM json_each(?3 /* names */))
          AND EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND url = ?2 /* url */ AND archived_at IS NULL)",
    );
    let names: Vec<&str> = found.tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut batch = vec![
        status
            .bind(id)
            .bind(url)
            .bind(found.era.as_str())
            .bind(found.protocol_version)
            .bind(found.message)
            .bind(now)
            .bind(next),
        gone.bind(id).bind(url).bind(json(&names)?),
    ];
    for piece in pieces(id, found.tools)? {
        batch.push(upsert(id, url, now, piece));
    }
    platform.sql.batch(batch).await?;
    platform.instance.forget_integrations();
    Ok(())
}

/// Records a failed probe of `url`. The catalogue stays: a dead upstream does not lose its tools.
pub async fn record_invalid(platform: &Platform, id: &str, url: &str, message: &str) -> Result<()> {
    let statement = Statement::new(
        "-- validations.record_invalid
        UPDATE integrations
        SET validation_status = 'invalid', validation_message = ?3 /* message */, last_validated_at = ?4 /* now */,
            next_validation_at = ?4 + 60000 * (1 << min(consecutive_failures, 6)), validation_lease_until = 0,
            consecutive_failures = consecutive_failures + 1
        WHERE id = ?1 /* id */ AND url = ?2 /* url */ AND archived_at IS NULL",
    );
    platform.sql.execute(statement.bind(id).bind(url).bind(message).bind(platform.now())).await?;
    platform.instance.forget_integrations();
    Ok(())
}

fn upsert(id: &str, url: &str, now: Timestamp, piece: String) -> Statement {
    let statement = Statement::new(
        "-- validations.record_valid: upsert
        INSERT INTO tools (id, integration_id, name, definition, param_headers, hash, first_seen_at, last_seen_at)
        SELECT value ->> '$.id', ?1 /* integration */, value ->> '$.name', value ->> '$.definition',
               value ->> '$.param_headers', value ->> '$.hash', ?3 /* now */, ?3
        FROM json_each(?4 /* tools */)
        WHERE EXISTS (SELECT 1 FROM integrations WHERE id = ?1 AND url = ?2 /* url */ AND archived_at IS NULL)
        ON CONFLICT (integration_id, name) DO UPDATE
        SET definition = excluded.definition, param_headers = excluded.param_headers, hash = excluded.hash,
            last_seen_at = excluded.last_seen_at",
    );
    statement.bind(id).bind(url).bind(now).bind(piece)
}

#[derive(Serialize)]
struct ToolRow<'a> {
    id: String,
    name: &'a str,
    definition: &'a str,
    param_headers: Option<String>,
    hash: String,
}

/// The catalogue as JSON arrays of at most [`PIECE_BYTES`] each (one tool may be larger on its own).
fn pieces(id: &str, tools: &[Tool]) -> Result<Vec<String>> {
    let mut pieces: Vec<String> = Vec::new();
    for tool in tools {
        let row = json(&ToolRow {
            id: Tool::id(id, &tool.name),
            name: &tool.name,
            definition: &tool.definition,
            param_headers: param_headers(&tool.param_headers)?,
            hash: tool.hash(),
        })?;
        match pieces.last_mut() {
            Some(piece) if piece.len() + row.len() < PIECE_BYTES => {
                piece.push(',');
                piece.push_str(&row);
            }
            _ => pieces.push(format!("[{row}")),
        }
    }
    for piece in &mut pieces {
        piece.push(']');
    }
    Ok(pieces)
}

fn param_headers(headers: &[ParamHeader]) -> Result<Option<String>> {
    if headers.is_empty() { Ok(None) } else { json(&headers).map(Some) }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(error.to_string()))
}
