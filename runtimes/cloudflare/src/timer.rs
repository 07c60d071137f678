//! A timer that one task may poll first and another task may await later.
//!
//! `worker::Delay` wakes only the task that polled it first. A watchdog's timer is started by the task that awaits a
//! response's head, and then guards the body, which another task reads: this timer wakes the task that polled it last.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use worker::web_sys::WorkerGlobalScope;

#[derive(Default)]
struct State {
    fired: bool,
    waker: Option<Waker>,
}

struct Started {
    id: i32,
    // The closure has to live until the runtime calls it.
    _callback: Closure<dyn FnMut()>,
}

/// A future that completes after a duration, counted from its first poll. Dropping the future clears the timeout.
pub(crate) struct Timer {
    duration: Duration,
    state: Rc<RefCell<State>>,
    started: Option<Started>,
}

impl Timer {
    pub(crate) fn new(duration: Duration) -> Self {
        Self { duration, state: Rc::default(), started: None }
    }

    fn start(&mut self) {
        let state = Rc::clone(&self.state);
        let callback = Closure::once(move || {
            let waker = {
                let mut state = state.borrow_mut();
                state.fired = true;
                state.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        let millis = i32::try_from(self.duration.as_millis()).unwrap_or(i32::MAX);
        let function = callback.as_ref().unchecked_ref();
        match scope().set_timeout_with_callback_and_timeout_and_arguments_0(function, millis) {
            Ok(id) => self.started = Some(Started { id, _callback: callback }),
            // Without a timeout the future would never complete: it completes at once instead.
            Err(_) => self.state.borrow_mut().fired = true,
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.started.is_none() {
            self.start();
        }
        let mut state = self.state.borrow_mut();
        if state.fired {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(started) = &self.started
            && !self.state.borrow().fired
        {
            scope().clear_timeout_with_handle(started.id);
        }
    }
}

fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
