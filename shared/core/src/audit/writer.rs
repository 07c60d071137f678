//! The queue of events that have ended, and what writes them to the database.
//!
//! The first event starts a writer in the background, which waits for [`GATHER`] and then writes what waits, in
//! statements of bounded size. A runtime may stop a writer at any moment without dropping it, so nothing depends on its
//! end: (1) a writer is at work until a certain time, and after that the next event starts another; (2) rows stay in the
//! instance's memory until the database has confirmed them, and the next writer writes those of a former one again,
//! which changes nothing where they were stored after all.
//!
//! A crash can lose the rows of requests that were answered within the last second by an instance that dies (evicted,
//! out of memory, power) before its writer ran.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kernel::ports::{SqlError, Timestamp};

use super::cut_off;
use crate::Platform;
use crate::model::audit::AuditEvent;
use crate::store::audit_events::{Row, insert, row};

/// How long the writer waits for further rows. Long enough that requests under load share a write, short enough that a
/// write stays small: on workerd a large write delays the calls that run beside it.
pub const GATHER: Duration = Duration::from_millis(400);
/// How long a writer is taken to be at work. Less than the 30 s for which a runtime lets background work go on.
pub const LIFE: Duration = Duration::from_secs(10);
/// Time between two attempts while the database is not available.
const PAUSE: Duration = Duration::from_secs(1);
/// Most rows in one statement: few enough that a write does not block other requests in the database.
const ROWS: usize = 100;
/// Most bytes of rows in one statement, if it has more than one row. D1 takes 2,000,000 bytes for a parameter, and a
/// single row has at most about a tenth of that.
const BYTES: usize = 1_000_000;
/// Most statements of one writer: a runtime limits the requests that the work of one request may make.
const STATEMENTS: u32 = 20;
/// Most events, and most bytes of events, that may wait. The queue reaches this only while the database is down.
const CAPACITY: usize = 5000;
const CAPACITY_BYTES: usize = 8 * 1024 * 1024;

/// Events that wait to be written, and batches of rows that are being written.
struct Queue {
    events: RefCell<VecDeque<AuditEvent>>,
    /// The size of the events, and of the batches.
    bytes: Cell<usize>,
    batches: RefCell<Vec<Rc<Batch>>>,
    /// Until when a writer is at work; past if there is none.
    busy_until: Cell<Timestamp>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            events: RefCell::default(),
            bytes: Cell::new(0),
            batches: RefCell::default(),
            busy_until: Cell::new(FREE),
        }
    }
}

const FREE: Timestamp = Timestamp::from_millis(0);

/// Rows of one statement. Those that are done are stored, or cannot be.
struct Batch {
    rows: Vec<(Row, Cell<bool>)>,
    bytes: usize,
}

/// Queues `event` and starts a writer if none is at work. Never waits and never fails the request. While the queue is
/// full, the event is dropped and its id is logged.
pub(super) fn record(platform: &Platform, event: AuditEvent) {
    let queue = &*platform.memory.one::<Queue>();
    queue.push(event);
    let now = platform.now();
    if now >= queue.busy_until.get() {
        let end = now + LIFE;
        queue.busy_until.set(end);
        let platform_of_writer = platform.clone();
        platform.background.spawn(async move { write(&platform_of_writer, end).await }.boxed_local());
    }
}

impl Queue {
    fn push(&self, event: AuditEvent) {
        let mut events = self.events.borrow_mut();
        if events.len() >= CAPACITY || self.bytes.get() + event.size() > CAPACITY_BYTES {
            log::error!("audit queue is full: event {} is lost", event.id);
            return;
        }
        self.bytes.set(self.bytes.get() + event.size());
        events.push_back(event);
    }

    /// Returns the next rows to write; `None` if nothing waits.
    fn next_batch(&self) -> Option<Rc<Batch>> {
        let mut events = self.events.borrow_mut();
        let mut batch = Batch { rows: Vec::new(), bytes: 0 };
        let mut length = 0;
        while batch.rows.len() < ROWS
            && let Some(event) = events.front()
        {
            let row = row(event);
            length += row.size();
            if length > BYTES && !batch.rows.is_empty() {
                break;
            }
            batch.bytes += event.size();
            batch.rows.push((row, Cell::new(false)));
            events.pop_front();
        }
        if batch.rows.is_empty() {
            return None;
        }
        let batch = Rc::new(batch);
        self.batches.borrow_mut().push(Rc::clone(&batch));
        Some(batch)
    }

    /// Forgets a batch whose rows are all done.
    fn settled(&self, batch: &Rc<Batch>) {
        let mut batches = self.batches.borrow_mut();
        let before = batches.len();
        batches.retain(|other| !Rc::ptr_eq(other, batch));
        // A batch that two writers wrote is forgotten once.
        if batches.len() < before {
            self.bytes.set(self.bytes.get().saturating_sub(batch.bytes));
        }
    }
}

/// Writes what waits. `end` is when another writer may take over, and identifies this one.
async fn write(platform: &Platform, end: Timestamp) {
    platform.clock.sleep(GATHER).await;
    let queue = &*platform.memory.one::<Queue>();
    for event in cut_off(platform, platform.now()) {
        queue.push(event);
    }
    let mut left = STATEMENTS;
    // Batches that a former writer began and did not finish.
    let former = queue.batches.borrow().clone();
    let mut next = former.into_iter();
    while let Some(batch) = next.next().or_else(|| queue.next_batch()) {
        match store(platform, &batch, &mut left).await {
            Ok(()) => queue.settled(&batch),
            Err(Later) => break,
        }
        let now = platform.now();
        if now >= end && queue.busy_until.get() == end {
            queue.busy_until.set(FREE);
        }
        let taken_over = ![end, FREE].contains(&queue.busy_until.get());
        if taken_over || left == 0 {
            break;
        }
    }
    if queue.busy_until.get() == end {
        queue.busy_until.set(FREE);
    }
}

/// Rows are left for the next writer.
struct Later;

/// Writes the rows of a batch that are not done yet. Where the database refuses them together, each half is tried alone,
/// so that a row that cannot be stored takes no other with it.
async fn store(platform: &Platform, batch: &Batch, left: &mut u32) -> Result<(), Later> {
    let waiting: Vec<&(Row, Cell<bool>)> = batch.rows.iter().filter(|(_, done)| !done.get()).collect();
    let mut parts = vec![waiting.as_slice()];
    while let Some(part) = parts.pop() {
        let rows: Vec<&Row> = part.iter().map(|(row, _)| row).collect();
        match attempt(platform, &rows, left).await? {
            Ok(()) => {}
            Err(_) if part.len() > 1 => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
                continue;
            }
            Err(error) => {
                for row in rows {
                    log::error!("audit event {} cannot be stored and is lost: {error}", row.id);
                }
            }
        }
        for (_, done) in part {
            done.set(true);
        }
    }
    Ok(())
}

/// Writes `rows`, again while the database is not available. The outer error means that there may be no further attempt.
async fn attempt(platform: &Platform, rows: &[&Row], left: &mut u32) -> Result<Result<(), SqlError>, Later> {
    const ATTEMPTS: u32 = 3;
    for attempt in 1..=ATTEMPTS {
        *left = left.checked_sub(1).ok_or(Later)?;
        match insert(platform, rows).await {
            Err(error @ SqlError::Unavailable(_)) if attempt == ATTEMPTS => {
                log::error!("{} audit events wait: {error}", rows.len());
            }
            Err(SqlError::Unavailable(_)) => platform.clock.sleep(PAUSE).await,
            outcome => return Ok(outcome),
        }
    }
    Err(Later)
}
