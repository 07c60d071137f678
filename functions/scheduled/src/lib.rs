//! Scheduled jobs: the table of jobs, and the route for schedulers outside the runtime (`POST /_scheduled/{job}`).
//!
//! Cloudflare starts jobs by their cron expressions; any other scheduler calls the route, one tick per call.
//!
//! A tick claims its work in SQL, so it may be lost or run twice at once without harm, and the next one goes on
//! where it ended.

mod jobs;
mod route;

pub use jobs::{JOBS, Job, run};
use postern_core::auth::SchedulerToken;
use postern_core::{Family, Routes};
use web::dialect::Problem;

/// The families of this function.
pub fn families() -> Vec<Routes> {
    vec![route::routes(Family::new("/_scheduled", &Problem, SchedulerToken)).routes()]
}

#[cfg(target_os = "wasi")]
spin_runtime::component!();
