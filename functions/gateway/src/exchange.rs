//! A call that its upstream answers with an event stream: each message is passed on to the agent as it arrives, until
//! the response.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::{FutureExt as _, StreamExt as _, pin_mut};
use kernel::ports::{FetchError, Limits, Timestamp};
use mcp::bridge::{Bridge, Final, Relay};
use mcp::sse::EventStream;
use postern_core::Platform;
use postern_core::auth::Caller;
use postern_core::client::{CallError, Client};
use postern_core::model::target::Upstream;
use serde_json::value::RawValue;

use crate::audit::Audit;
use crate::context::Context;

/// Longest duration of a call, even while the upstream reports progress.
const LONGEST_CALL: Duration = Duration::from_mins(10);
/// How often the caller's key is checked again during a call.
const KEY_CHECK: Duration = Duration::from_secs(30);
/// Largest answer of an upstream, in bytes.
pub(crate) const LARGEST_ANSWER: u64 = 10 * 1024 * 1024;
/// The upstream's requests of one stream that may wait for their refusal. Refusals are sent one after another, so that a
/// stream of requests does not become as many simultaneous requests of Postern's; those beyond stay unanswered.
const MOST_WAITING: usize = 8;

/// Returns the limits of a call's upstream request.
pub(crate) fn limits(platform: &Platform) -> Limits {
    Limits { idle: platform.settings.upstream_timeout, total: LONGEST_CALL, max_bytes: LARGEST_ANSWER }
}

/// A call whose answer is being streamed. Dropping the exchange before its end cancels the upstream's stream and
/// records the call as failed.
pub(crate) struct Exchange {
    platform: Platform,
    caller: Caller,
    /// When the caller's key is checked again, and the timer of that, which serves many events.
    check_at: Timestamp,
    check: LocalBoxFuture<'static, ()>,
    bridge: Bridge,
    events: EventStream,
    upstream: Rc<Upstream>,
    audit: Audit,
    /// Ids of the upstream's requests that are yet to be refused, the one that is being refused first.
    refusals: Rc<RefCell<VecDeque<Box<RawValue>>>>,
    done: bool,
}

/// What the wait for an event led to.
enum Event {
    /// The upstream's event; `None` at the end of the stream.
    Read(Option<Result<String, FetchError>>),
    /// The caller's key is not valid any more.
    Ended,
}

impl Exchange {
    /// Begins to read the upstream's `events`.
    pub(crate) fn new(
        context: &Context<'_>,
        bridge: Bridge,
        events: EventStream,
        upstream: Rc<Upstream>,
        audit: Audit,
    ) -> Self {
        let platform = context.platform.clone();
        let caller = context.agent.caller.clone();
        let (check_at, check) = (platform.now() + KEY_CHECK, timer(&platform, KEY_CHECK));
        let refusals = Rc::default();
        Self { platform, caller, check_at, check, bridge, events, upstream, audit, refusals, done: false }
    }

    /// Returns a future that completes after `duration` and borrows nothing of the exchange.
    pub(crate) fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        timer(&self.platform, duration)
    }

    /// Returns the next message for the agent; `None` after the response. Dropping the future loses no message.
    pub(crate) async fn next(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        loop {
            let outcome = match self.event().await {
                Event::Ended => self.bridge.failed("the API key was deleted or has expired"),
                Event::Read(Some(Ok(text))) => match self.bridge.relay(&text) {
                    Relay::Forward(json) => {
                        self.audit.sent(&json);
                        return Some(json);
                    }
                    Relay::Final(outcome) => outcome,
                    Relay::Decline(id) => {
                        self.decline(id);
                        continue;
                    }
                    Relay::Drop => continue,
                },
                Event::Read(Some(Err(error))) => self.bridge.failed(&CallError::Fetch(error).to_string()),
                Event::Read(None) => self.bridge.failed("the event stream ended before the answer"),
            };
            return Some(self.finish(outcome));
        }
    }

    /// Waits for the upstream's next event, and checks the caller's key every [`KEY_CHECK`] meanwhile. A check that fails
    /// for another reason is repeated later.
    async fn event(&mut self) -> Event {
        loop {
            if self.platform.now() >= self.check_at {
                if let Ok(false) = self.caller.is_still_valid(&self.platform).await {
                    return Event::Ended;
                }
                self.check_at = self.platform.now() + KEY_CHECK;
                self.check = timer(&self.platform, KEY_CHECK);
            }
            let event = self.events.next();
            pin_mut!(event);
            if let Either::Left((event, _)) = select(event, &mut self.check).await {
                return Event::Read(event);
            }
            // A timer may fire a little early, and a timer that has fired must not be polled again.
            self.check = timer(&self.platform, self.check_at.since(self.platform.now()));
        }
    }

    /// Returns only the response, for agents that do not accept event streams.
    pub(crate) async fn last(mut self: Box<Self>) -> String {
        let mut last = String::new();
        while let Some(json) = self.next().await {
            last = json;
        }
        last
    }

    fn finish(&mut self, outcome: Final) -> String {
        self.done = true;
        self.audit.sent(&outcome.json);
        self.audit.finish(outcome.success, outcome.error, outcome.content_blocks);
        outcome.json
    }

    /// Refuses a request of the upstream, after those that came before it.
    fn decline(&self, id: Box<RawValue>) {
        let refusals = Rc::clone(&self.refusals);
        let waiting = refusals.borrow().len();
        if waiting > MOST_WAITING {
            return;
        }
        refusals.borrow_mut().push_back(id);
        if waiting > 0 {
            return;
        }
        let (platform, upstream, subject) =
            (self.platform.clone(), Rc::clone(&self.upstream), self.caller.subject.clone());
        let declining = async move {
            loop {
                let Some(id) = refusals.borrow().front().cloned() else { return };
                Client::new(&platform, &upstream, &subject, limits(&platform)).decline(&id).await;
                refusals.borrow_mut().pop_front();
            }
        };
        self.platform.background.spawn(declining.boxed_local());
    }
}

fn timer(platform: &Platform, duration: Duration) -> LocalBoxFuture<'static, ()> {
    let clock = Rc::clone(&platform.clock);
    async move { clock.sleep(duration).await }.boxed_local()
}
