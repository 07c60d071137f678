//! `POST /_scheduled/{job}`: one bounded tick, for a systemd timer, a Kubernetes `CronJob` or any other scheduler.

use kernel::{Error, Result};
use postern_core::auth::{Scheduler, SchedulerToken};
use postern_core::{Family, Platform};
use serde::Serialize;
use web::{Json, Path, PathParam};

use crate::jobs::{JOBS, Job};

pub(super) fn routes(family: Family<SchedulerToken>) -> Family<SchedulerToken> {
    family
        .tag("Jobs", "For schedulers outside the runtime: systemd timers, Kubernetes CronJobs.")
        .post("/{job}", tick)
        .summary("runJob", "Run one tick of a job")
        .description("A tick is bounded; the next one goes on where it ended. Two at once do no harm.")
        .returns("The tick is over.")
        .error(401, "The token is missing or wrong.")
        .error(404, "No such job, or `SCHEDULER_TOKEN` is not set.")
}

impl PathParam for &'static Job {
    const NAME: &'static str = "job";

    fn from_param(text: &str) -> Result<Self> {
        JOBS.iter().find(|job| job.name == text).ok_or_else(|| Error::not_found("no such job"))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        let names = JOBS.iter().map(|job| job.name);
        web::openapi::Param::required("The job's name.", web::openapi::words(names))
    }
}

/// What one tick did.
#[derive(Serialize, utoipa::ToSchema)]
struct Tick {
    /// The job.
    #[schema(example = "validate")]
    job: &'static str,
    /// How many integrations, credentials or rows this tick worked on.
    processed: usize,
}

/// Runs one tick. Answers 200 `{job, processed}`; 401 without the token; 404 for an unknown job, and for every job
/// while `SCHEDULER_TOKEN` is not set.
async fn tick(platform: &Platform, _: Scheduler, Path(job): Path<&'static Job>) -> Result<Json<Tick>> {
    let processed = (job.run)(platform).await?;
    Ok(Json(Tick { job: job.name, processed }))
}
