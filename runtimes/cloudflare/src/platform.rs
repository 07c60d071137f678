//! One request's [`Platform`] on Cloudflare.

use std::rc::Rc;

use kernel::memory::Memory;
use kernel::ports::Ports;
use postern_core::Platform;
use postern_core::settings::Settings;
use worker::Env;

use crate::d1::D1;
use crate::fetch::WorkerFetch;
use crate::kv::WorkerKv;
use crate::system::{Later, WaitUntil, WorkerClock, WorkerRandom};

/// Binds the bindings of `env` (`DB`, `CACHE`) to the ports.
pub fn platform(env: &Env, later: Later, settings: Rc<Settings>, memory: Rc<Memory>) -> Platform {
    Platform { ports: ports(env, later, memory), settings }
}

/// The ports alone, for test Workers that have no settings.
pub fn ports(env: &Env, later: Later, memory: Rc<Memory>) -> Ports {
    Ports {
        sql: Rc::new(D1::new(env.clone())),
        kv: Rc::new(WorkerKv::new(env.clone())),
        fetcher: Rc::new(WorkerFetch),
        clock: Rc::new(WorkerClock),
        random: Rc::new(WorkerRandom),
        background: Rc::new(WaitUntil(later)),
        memory,
    }
}
