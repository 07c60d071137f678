//! Deleting what nobody needs any more, for the job `retention`: old rows of `audit_events` and `auth_events`, unfinished
//! flows, OAuth clients whose secret has ended, and counters of past windows.
//!
//! Each statement deletes at most [`ROWS`] rows and finds them through an index on their time, the oldest first, so that its
//! cost follows what it deletes and not what is kept. It returns how many rows it deleted.

use std::time::Duration;

use kernel::Result;
use kernel::ports::{Statement, Timestamp};

use crate::Platform;

/// Most rows that one statement deletes.
pub const ROWS: usize = 1000;

/// The counters of a window that began so long ago are not read any more.
const PAST_WINDOWS: Duration = Duration::from_mins(5);

/// The statement that deletes the oldest rows of a table, by the column that identifies a row and the one with its time.
macro_rules! delete_oldest {
    ($table:literal, $key:literal, $time:literal) => {
        Statement::new(concat!(
            "-- retention.",
            $table,
            "
            DELETE FROM ",
            $table,
            " WHERE ",
            $key,
            " IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE ",
            $time,
            " <= ?1 /* until */ ORDER BY ",
            $time,
            " LIMIT 1000) RETURNING 1"
        ))
    };
}

/// What is deleted: each is one statement, to be repeated while it deletes [`ROWS`] rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Audit rows older than `AUDIT_RETENTION_DAYS`.
    AuditEvents,
    /// Events of OAuth credentials older than `AUTH_EVENT_RETENTION_DAYS`.
    AuthEvents,
    /// Authorizations that were not finished in time.
    Flows,
    /// OAuth clients whose secret has ended: a sign-in registers a new one.
    Clients,
    /// Counters of past windows.
    Counters,
}

impl Old {
    /// Everything that is deleted.
    pub const ALL: [Self; 5] =
        [Self::AuditEvents, Self::AuthEvents, Self::Flows, Self::Clients, Self::Counters];

    /// Returns the statement, whose one parameter is the time up to which rows are old.
    pub fn statement(self) -> Statement {
        match self {
            Self::AuditEvents => delete_oldest!("audit_events", "rowid", "timestamp"),
            Self::AuthEvents => delete_oldest!("auth_events", "rowid", "occurred_at"),
            Self::Flows => delete_oldest!("oauth_flows", "rowid", "expires_at"),
            Self::Clients => delete_oldest!("oauth_clients", "rowid", "expires_at"),
            Self::Counters => delete_oldest!("rate_limits", "source", "window_start"),
        }
    }

    /// Returns the time up to which rows are old.
    fn until(self, platform: &Platform) -> Timestamp {
        let settings = &platform.settings;
        let age = match self {
            Self::AuditEvents => settings.audit_retention,
            Self::AuthEvents => settings.auth_event_retention,
            Self::Flows | Self::Clients => Duration::ZERO,
            Self::Counters => PAST_WINDOWS,
        };
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(platform.now().millis().saturating_sub(age))
    }

    /// Deletes the oldest rows. Returns how many; fewer than [`ROWS`] if no old row is left.
    pub async fn delete(self, platform: &Platform) -> Result<usize> {
        let until = self.until(platform);
        Ok(platform.sql.query(self.statement().bind(until)).await?.len())
    }
}
