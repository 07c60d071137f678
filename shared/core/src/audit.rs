//! The audit: who did what, one row per event, written after the answer.
//!
//! An event begins ([`begin`]) when its request arrives, and ends once, however the request ends. The rows of events that
//! have ended wait in the instance's queue, and `writer` stores them. Events that have begun are kept in the instance's
//! memory and not in the future that answers the request: a runtime may stop that future for good without dropping it,
//! and then the writer finds the event and ends it.

mod write;
mod writer;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use kernel::Result;
use kernel::digest::hex;
use kernel::ports::Timestamp;

pub use self::write::begin_write;
use self::writer::record;
pub use self::writer::{GATHER, LIFE};
use crate::Platform;
use crate::model::audit::{Actor, AuditEvent, Kind};

/// An event that lasts longer than this was cut off: longer than the longest call.
pub const LONGEST: Duration = Duration::from_mins(11);
const CUT_OFF: &str = "the client went away before the answer";

/// The events of this instance that have begun and not ended.
#[derive(Default)]
struct Begun {
    events: RefCell<BTreeMap<u64, AuditEvent>>,
    last: Cell<u64>,
}

/// An event that has begun. Dropping this value ends the event as a failure.
pub struct Pending {
    platform: Platform,
    begun: Rc<Begun>,
    number: u64,
}

/// Returns a new event, which has just begun. Fails if the runtime has no entropy.
pub fn event(
    platform: &Platform,
    kind: Kind,
    request_id: &str,
    actor: Actor,
    name: &str,
) -> Result<AuditEvent> {
    let id = format!("evt_{}", hex(&platform.random::<16>()?));
    Ok(AuditEvent::new(id, kind, platform.now(), request_id, actor, name))
}

/// Begins `event`, which the returned value ends.
pub fn begin(platform: &Platform, event: AuditEvent) -> Pending {
    let begun = platform.memory.one::<Begun>();
    let number = begun.last.get() + 1;
    begun.last.set(number);
    begun.events.borrow_mut().insert(number, event);
    Pending { platform: platform.clone(), begun, number }
}

/// Records an event that ends as it begins: a refusal, for `reason`.
pub fn refused(platform: &Platform, mut event: AuditEvent, authorized: bool, reason: &str) {
    event.authorized = authorized;
    event.ended(event.timestamp, false, Some(reason.to_owned()));
    record(platform, event);
}

impl Pending {
    /// Changes the event, unless it has ended.
    pub fn change(&self, change: impl FnOnce(&mut AuditEvent)) {
        if let Some(event) = self.begun.events.borrow_mut().get_mut(&self.number) {
            change(event);
        }
    }

    /// Ends the event. A second call does nothing.
    pub fn end(&self, success: bool, error: Option<String>) {
        let ended = self.begun.events.borrow_mut().remove(&self.number);
        if let Some(mut event) = ended {
            event.ended(self.platform.now(), success, error);
            record(&self.platform, event);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.end(false, Some(CUT_OFF.to_owned()));
    }
}

/// Takes the events out that began more than [`LONGEST`] ago: nothing ends them any more.
fn cut_off(platform: &Platform, now: Timestamp) -> Vec<AuditEvent> {
    let begun = platform.memory.one::<Begun>();
    let mut events = begun.events.borrow_mut();
    let mut found = Vec::new();
    while let Some(oldest) = events.first_entry()
        && oldest.get().timestamp + LONGEST < now
    {
        let mut event = oldest.remove();
        event.ended(now, false, Some(CUT_OFF.to_owned()));
        found.push(event);
    }
    found
}
