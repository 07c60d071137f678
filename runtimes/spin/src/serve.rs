//! Answers one request on Spin: loads settings and applies migrations once per instance, then asks the router.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use kernel::memory::Memory;
use kernel::ports::{Ports, Stays};
use kernel::{Error, Result};
use postern_core::settings::{NAMES, Settings};
use postern_core::store::rate_limits::SqlCounter;
use postern_core::{Platform, Router, Routes, store};
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};
use web::router::defect;

use crate::convert::{to_spin, to_web};
use crate::fetch::SpinFetch;
use crate::kv::SpinKv;
use crate::sqlite;
use crate::sqlite::SpinSqlite;
use crate::system::{Spawn, SpinClock, SpinRandom};

/// What an instance keeps between requests: routes, settings and memory. No part of it belongs to a single request.
struct Kept {
    router: Result<Router>,
    settings: Result<Rc<Settings>>,
    memory: Rc<Memory>,
    /// Whether this instance has found the database's schema current.
    migrated: Cell<bool>,
}

thread_local! {
    static KEPT: OnceCell<Rc<Kept>> = const { OnceCell::new() };
}

/// Answers a request with the routes of one function.
pub async fn serve(families: impl FnOnce() -> Vec<Routes>, request: Request) -> Result<Response, ErrorCode> {
    let kept = kept(families).await;
    let request = to_web(request).await?;
    let response = match &kept.router {
        Ok(router) => {
            let platform = ready(&kept).await;
            router.handle(platform.as_ref(), request).await
        }
        Err(error) => defect(error),
    };
    to_spin(response)
}

async fn kept(families: impl FnOnce() -> Vec<Routes>) -> Rc<Kept> {
    if let Some(kept) = KEPT.with(|cell| cell.get().cloned()) {
        return kept;
    }
    crate::logger::init();
    let settings = settings().await.map(Rc::new);
    let kept =
        Kept { router: Router::new(families()), settings, memory: Rc::default(), migrated: Cell::new(false) };
    // Several first requests may reach this point before the cell is filled: the value of the first one is kept.
    KEPT.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(kept))))
}

/// Loads the settings from Spin's variables, whose names are in lower case.
async fn settings() -> Result<Settings> {
    let mut found = Vec::new();
    for name in NAMES {
        if let Ok(value) = spin_sdk::variables::get(name.to_ascii_lowercase()).await {
            found.push((name, value));
        }
    }
    Settings::load(|name| found.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()))
}

/// Returns a platform whose database has the current schema.
async fn ready(kept: &Kept) -> Result<Platform> {
    let settings = kept.settings.as_ref().map_err(Error::clone)?;
    let platform = platform(Rc::clone(settings), Rc::clone(&kept.memory));
    if !kept.migrated.get() {
        sqlite::prepare().await?;
        store::schema::migrate(&platform).await?;
        kept.migrated.set(true);
    }
    Ok(platform)
}

/// Returns a platform whose ports use the component's SQLite database and key-value store, both named `default`.
pub fn platform(settings: Rc<Settings>, memory: Rc<Memory>) -> Platform {
    Platform { ports: ports(memory), settings }
}

/// Returns the ports alone, for test components, which have no settings.
pub fn ports(memory: Rc<Memory>) -> Ports {
    Ports {
        sql: Rc::new(SpinSqlite),
        kv: Rc::new(SpinKv),
        fetcher: Rc::new(SpinFetch),
        clock: Rc::new(SpinClock),
        random: Rc::new(SpinRandom),
        background: Rc::new(Spawn),
        // Spin does not tell; it lets every handler run to its end.
        client: Rc::new(Stays),
        rate_limit: Rc::new(SqlCounter::new(Rc::new(SpinSqlite))),
        memory,
    }
}
