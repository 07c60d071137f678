//! The [`Platform`] of one request on Cloudflare.

use std::rc::Rc;

use kernel::memory::Memory;
use kernel::ports::{Ports, Sql};
use postern_core::Platform;
use postern_core::settings::Settings;
use worker::Env;

use crate::d1::D1;
use crate::fetch::WorkerFetch;
use crate::kv::WorkerKv;
use crate::rate_limit;
use crate::system::{Caller, Later, WaitUntil, WorkerClock, WorkerRandom};

/// Returns a platform whose ports use the bindings `DB` and `CACHE` of `env`.
pub fn platform(
    env: &Env,
    later: Later,
    caller: Caller,
    settings: Rc<Settings>,
    memory: Rc<Memory>,
) -> Platform {
    Platform { ports: ports(env, later, caller, memory), settings }
}

/// Returns the ports alone, for test Workers, which have no settings.
pub fn ports(env: &Env, later: Later, caller: Caller, memory: Rc<Memory>) -> Ports {
    let sql: Rc<dyn Sql> = Rc::new(D1::new(env.clone()));
    Ports {
        rate_limit: rate_limit::counter(env, &sql),
        sql,
        kv: Rc::new(WorkerKv::new(env.clone())),
        fetcher: Rc::new(WorkerFetch),
        clock: Rc::new(WorkerClock),
        random: Rc::new(WorkerRandom),
        background: Rc::new(WaitUntil(later)),
        client: caller,
        memory,
    }
}
