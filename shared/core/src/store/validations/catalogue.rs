//! Replacing the stored catalogue by what a probe found: the statements of `validations.record_valid` on table
//! `catalogue_entries`. What a user's probe found is proposed instead, see [`propose`].
//!
//! (1) Each definition found is put next to the stored one; (2) an entry is approved if its definition is the
//! approved one or the integration's policy is `auto`; (3) the other entries wait for a review; (4) entries that the
//! probe did not find are deleted or, if they were approved under the policy `review`, marked as removed. Entries that
//! only users' probes have found stay, unless the organization has a credential.

use serde::Serialize;

use super::{Probed, no_organization_credential};
use crate::model::entry::Entry;
use kernel::ports::{Statement, Timestamp};
use kernel::{Error, Result};
use mcp::headers::ParamHeader;

/// Most bytes of a catalogue in one bound parameter, which may have 2 MB on D1. A larger catalogue is bound in
/// pieces.
const PIECE_BYTES: usize = 1_000_000;

/// Ends every condition: the statement before, on `integrations`, has recorded this probe.
macro_rules! is_recorded {
    () => {
        " EXISTS (SELECT 1 FROM integrations WHERE id = ?1 /* integration */ AND url = ?2 /* url */
                  AND archived_at IS NULL AND last_validated_at = ?4 /* began */)"
    };
}

macro_rules! is_auto {
    () => {
        "(SELECT tool_policy FROM integrations WHERE id = ?1) = 'auto'"
    };
}

/// The condition that a shared probe which does not find an entry may remove it.
macro_rules! is_judged {
    () => {
        concat!(" (found_by = 'shared' OR NOT", no_organization_credential!(), ")")
    };
}

/// Ends every condition of [`propose`]: the statement before has recorded this probe, which it does only if the
/// organization has no credential.
macro_rules! is_proposed {
    () => {
        concat!(is_recorded!(), " AND", no_organization_credential!())
    };
}

/// Inserts what a probe found as new entries, up to the values of `position` and `found_by`.
macro_rules! insert_found {
    () => {
        "
        INSERT INTO catalogue_entries (id, integration_id, kind, name, definition, param_headers, hash, found_definition,
                           found_param_headers, found_hash, status, first_seen_at, last_seen_at, changed_at,
                           position, found_by)
        SELECT value ->> '$.id', ?1, value ->> '$.kind', value ->> '$.name', value ->> '$.definition', value ->> '$.param_headers',
               value ->> '$.hash', value ->> '$.definition', value ->> '$.param_headers', value ->> '$.hash', 'new',
               ?3 /* now */, ?3, ?3,"
    };
}

/// Puts what a probe found next to the definition of an entry that is there.
macro_rules! keep_found {
    () => {
        " ON CONFLICT (integration_id, kind, name) DO UPDATE
        SET found_definition = excluded.found_definition, found_param_headers = excluded.found_param_headers,
            found_hash = excluded.found_hash, last_seen_at = excluded.last_seen_at"
    };
}

/// Returns the statements that replace the stored catalogue, in order.
pub(super) fn replace(probed: Probed<'_>, now: Timestamp, entries: &[Entry]) -> Result<Vec<Statement>> {
    let bound = |statement| super::bound(statement, probed, now);
    let found = pieces(probed.id, entries)?.into_iter().map(|piece| bound(find()).bind(piece));
    Ok(found.chain([approve(), hold(), delete_gone(), mark_gone()].map(bound)).collect())
}

/// (1) Inserts new entries, and puts the found definition next to the stored one of known entries.
fn find() -> Statement {
    Statement::new(concat!(
        "-- validations.replace: find",
        insert_found!(),
        " value ->> '$.position', 'shared'
        FROM json_each(?5 /* entries */)
        WHERE",
        is_recorded!(),
        keep_found!(),
        ", position = excluded.position,
            found_by = 'shared'"
    ))
}

/// (2) A rejected definition stays rejected under either policy.
fn approve() -> Statement {
    Statement::new(concat!(
        "-- validations.replace: approve
        UPDATE catalogue_entries
        SET status = 'approved', changed_at = iif(status = 'approved' AND found_hash = hash, changed_at, ?3 /* now */),
            approved_at = iif(approved_at IS NOT NULL AND found_hash = hash, approved_at, ?3),
            definition = found_definition, param_headers = found_param_headers, hash = found_hash,
            found_definition = NULL, found_param_headers = NULL, found_hash = NULL
        WHERE integration_id = ?1 AND last_seen_at = ?3 AND found_hash IS NOT NULL
          AND (rejected_hash IS NULL OR rejected_hash <> found_hash)
          AND (approved_at IS NOT NULL AND found_hash = hash OR ",
        is_auto!(),
        ") AND",
        is_recorded!()
    ))
}

/// (3) An entry that was never approved has one definition, the newest.
fn hold() -> Statement {
    macro_rules! status {
        () => {
            "CASE WHEN found_hash = rejected_hash THEN 'rejected' WHEN approved_at IS NULL THEN 'new' ELSE 'changed' END"
        };
    }
    Statement::new(concat!(
        "-- validations.replace: hold
        UPDATE catalogue_entries
        SET status = ",
        status!(),
        ", changed_at = iif(status = ",
        status!(),
        " AND (approved_at IS NOT NULL OR found_hash = hash), changed_at, ?3 /* now */),
            definition = iif(approved_at IS NULL, found_definition, definition),
            param_headers = iif(approved_at IS NULL, found_param_headers, param_headers),
            hash = iif(approved_at IS NULL, found_hash, hash),
            found_definition = iif(approved_at IS NULL OR found_hash = hash, NULL, found_definition),
            found_param_headers = iif(approved_at IS NULL OR found_hash = hash, NULL, found_param_headers),
            found_hash = iif(approved_at IS NULL OR found_hash = hash, NULL, found_hash)
        WHERE integration_id = ?1 AND last_seen_at = ?3 AND found_hash IS NOT NULL AND",
        is_recorded!()
    ))
}

/// (4) A rejected entry stays, so that its definition is still rejected if the upstream offers the entry again.
fn delete_gone() -> Statement {
    Statement::new(concat!(
        "-- validations.replace: delete gone
        DELETE FROM catalogue_entries
        WHERE integration_id = ?1 AND last_seen_at <> ?3 /* now */ AND status <> 'rejected'
          AND (approved_at IS NULL OR ",
        is_auto!(),
        ") AND",
        is_judged!(),
        " AND",
        is_recorded!()
    ))
}

/// (4) The entries that are left were approved under the policy `review`: a reviewer approves their removal.
fn mark_gone() -> Statement {
    Statement::new(concat!(
        "-- validations.replace: mark gone
        UPDATE catalogue_entries
        SET status = 'removed', changed_at = ?3 /* now */, found_definition = NULL, found_param_headers = NULL,
            found_hash = NULL
        WHERE integration_id = ?1 AND last_seen_at <> ?3 AND status NOT IN ('removed', 'rejected') AND",
        is_judged!(),
        " AND",
        is_recorded!()
    ))
}

/// Returns the statements that record what a user's probe found, in order. Nothing that agents are offered changes,
/// except that an empty catalogue is filled:
///
/// (1) new entries are inserted, and other definitions than those approved or rejected are put next to them; (2) if no
/// entry was offered or under review before, the policy decides as in [`replace`]; (3) what the probe found as it is
/// approved needs no review; (4) the rest waits for one: an approved entry stays approved, with the other definition
/// next to it. An entry that the probe did not find stays as it is.
pub(super) fn propose(probed: Probed<'_>, now: Timestamp, entries: &[Entry]) -> Result<Vec<Statement>> {
    let bound = |statement| super::bound(statement, probed, now);
    let found = pieces(probed.id, entries)?.into_iter().map(|piece| bound(propose_found()).bind(piece));
    Ok(found.chain([fill(), settle(), hold_proposed()].map(bound)).collect())
}

/// (1) What shared probes left for review stays as they found it. New entries stand after the known ones. An integration
/// that has as many entries as a probe may find gets no new ones, since nothing removes what users' probes found.
fn propose_found() -> Statement {
    Statement::new(concat!(
        "-- validations.propose: find",
        insert_found!(),
        " (value ->> '$.position') + (SELECT coalesce(max(position) + 1, 0) FROM catalogue_entries
                                           WHERE integration_id = ?1),
               'user'
        FROM json_each(?5 /* entries */)
        WHERE (key + (SELECT count(*) FROM catalogue_entries WHERE integration_id = ?1) < 10000
               OR value ->> '$.id' IN (SELECT id FROM catalogue_entries WHERE integration_id = ?1)) AND",
        is_proposed!(),
        keep_found!(),
        "
        WHERE (found_by = 'user' OR status IN ('approved', 'removed', 'rejected'))
          AND (rejected_hash IS NULL OR rejected_hash <> excluded.hash)"
    ))
}

/// (2) A catalogue whose entries are all removed or rejected counts as empty.
fn fill() -> Statement {
    Statement::new(concat!(
        "-- validations.propose: fill
        UPDATE catalogue_entries
        SET status = 'approved', changed_at = ?3 /* now */,
            approved_at = iif(approved_at IS NOT NULL AND found_hash = hash, approved_at, ?3),
            definition = found_definition, param_headers = found_param_headers, hash = found_hash,
            found_definition = NULL, found_param_headers = NULL, found_hash = NULL
        WHERE integration_id = ?1 AND last_seen_at = ?3 AND found_hash IS NOT NULL
          AND (approved_at IS NOT NULL AND found_hash = hash OR ",
        is_auto!(),
        ") AND NOT EXISTS (SELECT 1 FROM catalogue_entries
                         WHERE integration_id = ?1 AND status IN ('approved', 'new', 'changed') AND first_seen_at <> ?3)
          AND",
        is_proposed!()
    ))
}

/// (3) An entry that a shared probe found removed stays so.
fn settle() -> Statement {
    Statement::new(concat!(
        "-- validations.propose: settle
        UPDATE catalogue_entries
        SET found_definition = NULL, found_param_headers = NULL, found_hash = NULL
        WHERE integration_id = ?1 AND last_seen_at = ?3 /* now */
          AND (status = 'removed' OR status = 'approved' AND found_hash = hash) AND",
        is_proposed!()
    ))
}

/// (4) An entry that was never approved has one definition, the newest.
fn hold_proposed() -> Statement {
    Statement::new(concat!(
        "-- validations.propose: hold
        UPDATE catalogue_entries
        SET status = iif(approved_at IS NULL, 'new', 'changed'), changed_at = ?3 /* now */,
            definition = iif(approved_at IS NULL, found_definition, definition),
            param_headers = iif(approved_at IS NULL, found_param_headers, param_headers),
            hash = iif(approved_at IS NULL, found_hash, hash),
            found_definition = iif(approved_at IS NULL, NULL, found_definition),
            found_param_headers = iif(approved_at IS NULL, NULL, found_param_headers),
            found_hash = iif(approved_at IS NULL, NULL, found_hash)
        WHERE integration_id = ?1 AND last_seen_at = ?3 AND found_hash IS NOT NULL
          AND status IN ('new', 'changed', 'rejected') AND",
        is_proposed!()
    ))
}

#[derive(Serialize)]
struct EntryRow<'a> {
    id: String,
    kind: &'a str,
    name: &'a str,
    definition: &'a str,
    param_headers: Option<String>,
    hash: String,
    position: usize,
}

/// Returns the catalogue as JSON arrays of at most [`PIECE_BYTES`] each. An entry that is larger than that has an
/// array of its own.
fn pieces(id: &str, entries: &[Entry]) -> Result<Vec<String>> {
    let mut pieces: Vec<String> = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        let row = json(&EntryRow {
            id: Entry::id(id, entry.kind, &entry.name),
            kind: entry.kind.as_str(),
            name: &entry.name,
            definition: &entry.definition,
            param_headers: param_headers(&entry.param_headers)?,
            hash: entry.hash(),
            position,
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
