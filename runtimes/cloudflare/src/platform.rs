//! One request's [`Platform`] on Cloudflare.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use postern_core::Platform;
use kernel::memory::Instance;
use postern_core::settings::Settings;
use worker::Env;

use crate::d1::D1;
use crate::fetch::WorkerFetch;
use crate::kv::WorkerKv;
use crate::system::{WaitUntil, WorkerClock, WorkerRandom};

/// Keeps a future running after the response.
pub type Later = Rc<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// Binds the bindings of `env` (`DB`, `CACHE`) to the ports.
pub fn platform(env: &Env, later: Later, settings: Rc<Settings>, instance: Rc<Instance>) -> Platform {
    Platform {
        sql: Rc::new(D1::new(env.clone())),
        kv: Rc::new(WorkerKv::new(env.clone())),
        fetcher: Rc::new(WorkerFetch),
        clock: Rc::new(WorkerClock),
        random: Rc::new(WorkerRandom),
        background: Rc::new(WaitUntil(later)),
        settings,
        instance,
    }
}
