//! Scheduled jobs: the table of jobs, and the route for schedulers outside the runtime (`POST /_scheduled/{job}`).
//!
//! Cloudflare starts jobs by their cron expressions; any other scheduler calls the route, one tick per call.
//!
//! A tick claims its work in SQL, so a lost tick or two ticks at once do no harm, and the next tick continues with
//! what is left.

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
