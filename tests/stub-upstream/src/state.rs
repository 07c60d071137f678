//! The state of a running stub: recorded requests, legacy sessions, release gates, unfinished streams.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{catalogue::Tools, server::Options};

/// One request as the stub received it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// All header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Recorded {
    /// The first value of a header, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The JSON-RPC method of the body.
    pub fn rpc_method(&self) -> Option<String> {
        Some(self.json()?.get("method")?.as_str()?.to_owned())
    }
}

/// A legacy session.
struct Session {
    calls_left: Option<u64>,
}

pub(crate) struct State {
    pub(crate) options: Options,
    tools: RwLock<Tools>,
    /// The status of every answer; 0 while the stub works.
    broken: AtomicU16,
    recorded: Mutex<Vec<Recorded>>,
    sessions: Mutex<HashMap<String, Session>>,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
    minted: AtomicU64,
    cancelled: Cancellations,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            tools: RwLock::new(Tools::new(options.extra_tools)),
            broken: AtomicU16::new(0),
            options,
            recorded: Mutex::default(),
            sessions: Mutex::default(),
            gates: Mutex::default(),
            minted: AtomicU64::new(0),
            cancelled: Cancellations::default(),
        }
    }

    /// The catalogue as it is now.
    pub(crate) fn tools(&self) -> RwLockReadGuard<'_, Tools> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalogue, to be changed.
    pub(crate) fn tools_mut(&self) -> RwLockWriteGuard<'_, Tools> {
        self.tools.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The status of every answer, if the stub was told to break.
    pub(crate) fn broken(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.broken.load(Ordering::Relaxed)).ok()
    }

    pub(crate) fn break_with(&self, status: Option<StatusCode>) {
        self.broken.store(status.map_or(0, |status| status.as_u16()), Ordering::Relaxed);
    }

    pub(crate) fn record(&self, request: impl FnOnce() -> Recorded) {
        if self.options.record {
            lock(&self.recorded).push(request());
        }
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        lock(&self.recorded).clone()
    }

    pub(crate) fn forget_recorded(&self) {
        lock(&self.recorded).clear();
    }

    /// Opens a legacy session that ends after this many tool calls.
    pub(crate) fn open_session(&self, calls_left: Option<u64>) -> String {
        // The ids can be guessed: nothing here is secret, and a test can tell the sessions apart.
        let id = format!("stub-session-{}", self.minted.fetch_add(1, Ordering::Relaxed) + 1);
        lock(&self.sessions).insert(id.clone(), Session { calls_left });
        id
    }

    pub(crate) fn has_session(&self, id: &str) -> bool {
        lock(&self.sessions).contains_key(id)
    }

    pub(crate) fn end_session(&self, id: &str) -> bool {
        lock(&self.sessions).remove(id).is_some()
    }

    pub(crate) fn end_all_sessions(&self) {
        lock(&self.sessions).clear();
    }

    /// Counts one tool call of a session, and forgets the session after its last call.
    pub(crate) fn count_call(&self, id: &str) {
        let mut sessions = lock(&self.sessions);
        let Some(left) = sessions.get_mut(id).and_then(|session| session.calls_left.as_mut()) else {
            return;
        };
        *left = left.saturating_sub(1);
        if *left == 0 {
            sessions.remove(id);
        }
    }

    pub(crate) fn gate(&self, name: &str) -> Arc<Semaphore> {
        lock(&self.gates).entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))).clone()
    }

    pub(crate) fn cancellations(&self) -> Cancellations {
        self.cancelled.clone()
    }
}

/// The number of event streams that their peer closed before they were over.
#[derive(Clone, Default)]
pub(crate) struct Cancellations(Arc<AtomicU64>);

impl Cancellations {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Locks a mutex even if a test thread panicked while it held the lock: the stub's other users must not fail with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
