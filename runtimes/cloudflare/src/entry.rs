//! The Worker's entry points: `fetch` and `scheduled`.
//!
//! A Worker drops no Rust future: if the client leaves, the runtime stops polling the handler and forgets it. So the
//! handler runs to its end in any case: `cargo xtask build` has worker-build pass its promise to `waitUntil`
//! (`RUN_TO_COMPLETION`), which lets it go on for up to 30 s. Calls find out within 10 s that their agent has left
//! (`kernel::ports::Client`), and what must be finished even if the runtime stops the handler runs as
//! [`kernel::ports::Ports::finish`].

use std::cell::OnceCell;
use std::rc::Rc;

use futures_util::FutureExt as _;
use kernel::memory::Memory;
use kernel::ports::Stays;
use kernel::{Error, Result};
use postern_core::settings::Settings;
use postern_core::{Platform, Router};
use web::router::defect;
use worker::{Context, Env, Request, Response, ScheduleContext, ScheduledEvent, event};

use crate::convert::{to_web, to_worker};
use crate::platform::platform;
use crate::system::{Caller, Later, Signalled};

/// What an isolate keeps between requests: routes, settings and memory. No part of it belongs to a single request.
struct Isolate {
    router: Result<Router>,
    settings: Result<Rc<Settings>>,
    memory: Rc<Memory>,
}

thread_local! {
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
}

fn isolate(env: &Env) -> Rc<Isolate> {
    let create = || {
        let lookup = |name: &str| env.var(name).ok().map(|value| value.to_string());
        Rc::new(Isolate {
            router: Router::new(all::families()),
            settings: Settings::load(lookup).map(Rc::new),
            memory: Rc::default(),
        })
    };
    ISOLATE.with(|cell| Rc::clone(cell.get_or_init(create)))
}

impl Isolate {
    fn platform(&self, env: &Env, later: Later, caller: Caller) -> Result<Platform, &Error> {
        let settings = self.settings.as_ref()?;
        Ok(platform(env, later, caller, Rc::clone(settings), Rc::clone(&self.memory)))
    }
}

#[event(start)]
fn start() {
    crate::logger::init();
    cheaper_wake_ups();
}

/// Hides `queueMicrotask`, so that wasm-bindgen wakes futures by its fallback, `Promise.prototype.then`: in workerd
/// `queueMicrotask` leaves the JavaScript engine for C++ and returns at every wake-up, which costs about a tenth of a
/// tool call. Nothing else in the Worker uses `queueMicrotask`.
fn cheaper_wake_ups() {
    let name = "queueMicrotask".into();
    if let Err(error) = js_sys::Reflect::set(&js_sys::global(), &name, &wasm_bindgen::JsValue::UNDEFINED) {
        log::warn!("queueMicrotask stays: {error:?}");
    }
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let isolate = isolate(&env);
    let later: Later = Rc::new(move |work| context.wait_until(work));
    // A second handle on the same request: its own method `clone` would copy the body, too.
    let caller = Rc::new(Signalled(Clone::clone(request.inner())));
    let request = to_web(request).await;
    let platform = isolate.platform(&env, later, caller);
    let response = match &isolate.router {
        Ok(router) => router.handle(platform.as_ref().map_err(|error| *error), request).await,
        Err(error) => defect(error),
    };
    to_worker(response)
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let isolate = isolate(&env);
    let later: Later = Rc::new(move |work| context.wait_until(work));
    match isolate.platform(&env, later, Rc::new(Stays)) {
        Ok(platform) => all::run(&platform, &event.cron()).boxed_local().await,
        Err(error) => log::error!("scheduled work is not possible: {error}"),
    }
}
