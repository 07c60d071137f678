//! A call that its upstream answers with an event stream: each message is passed on to the agent as it arrives, until
//! the response.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use kernel::ports::Limits;
use mcp::bridge::{Bridge, Final, Relay};
use mcp::sse::EventStream;
use postern_core::Platform;
use postern_core::client::{CallError, Client};
use postern_core::model::target::Upstream;
use serde_json::value::RawValue;

use crate::audit::Audit;
use crate::context::Context;

/// Longest duration of a call, even while the upstream reports progress.
const LONGEST_CALL: Duration = Duration::from_mins(10);
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
    subject: String,
    bridge: Bridge,
    events: EventStream,
    upstream: Rc<Upstream>,
    audit: Audit,
    /// Ids of the upstream's requests that are yet to be refused, the one that is being refused first.
    refusals: Rc<RefCell<VecDeque<Box<RawValue>>>>,
    done: bool,
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
        let subject = context.agent.caller.subject.clone();
        let refusals = Rc::default();
        Self { platform, subject, bridge, events, upstream, audit, refusals, done: false }
    }

    /// Returns a future that completes after `duration` and borrows nothing of the exchange.
    pub(crate) fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        let clock = Rc::clone(&self.platform.clock);
        async move { clock.sleep(duration).await }.boxed_local()
    }

    /// Returns the next message for the agent; `None` after the response. Dropping the future loses no message.
    pub(crate) async fn next(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        loop {
            let outcome = match self.events.next().await {
                Some(Ok(text)) => match self.bridge.relay(&text) {
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
                Some(Err(error)) => self.bridge.failed(&CallError::Fetch(error).to_string()),
                None => self.bridge.failed("the event stream ended before the answer"),
            };
            return Some(self.finish(outcome));
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
            (self.platform.clone(), Rc::clone(&self.upstream), self.subject.clone());
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
