//! Scheduled jobs: the table of jobs with their cron expressions, and one bounded, resumable tick of each.
//!
//! Cloudflare starts a job by its cron expression; anything else by `POST /_scheduled/{job}`, one tick per call.
//!
//! A tick claims its work in SQL, so it may be lost or run twice at once without harm, and the next one goes on
//! where it ended.

mod openapi;
mod route;

use futures_util::{StreamExt as _, stream};
use http::Method;
use web::{Dialect, Routes};
use postern_core::upstream::validation::validate;
use postern_core::model::credential::ORGANIZATION;
use postern_core::oauth::refresh;
use postern_core::store::{integrations, oauth_flows, validations};
use postern_core::Platform;
use kernel::Result;

pub use openapi::openapi;

/// A job that a runtime's scheduler starts.
pub struct Job {
    /// Name, in logs and routes.
    pub name: &'static str,
    /// Five fields, UTC; the same text stands in `wrangler.toml`.
    pub cron: &'static str,
}

/// All jobs.
pub const JOBS: [Job; 2] =
    [Job { name: "validate", cron: "* * * * *" }, Job { name: "refresh", cron: "* * * * *" }];

/// The route for schedulers outside the runtime.
pub fn routes() -> Routes {
    Routes::new(Dialect::Problem, "/_scheduled").public(Method::POST, "/_scheduled/{job}", route::tick)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes());

/// Probes at once: a Worker has six simultaneous connections.
const AT_ONCE: usize = 4;

/// Credentials that one tick renews: one exchange each.
const RENEWALS: u32 = 20;

/// Runs one tick of every job that `cron` starts; an unknown expression is logged and ignored.
pub async fn run(platform: &Platform, cron: &str) {
    let jobs: Vec<&Job> = JOBS.iter().filter(|job| job.cron == cron).collect();
    if jobs.is_empty() {
        log::error!("no job has the cron expression {cron:?}");
    }
    for job in jobs {
        match tick(platform, job).await {
            Ok(0) => {}
            Ok(count) => log::info!("job {}: {count}", job.name),
            Err(error) => log::error!("job {}: {error} ({:?})", job.name, error.internal),
        }
    }
}

/// Runs one tick of `job`. How much it worked on.
pub async fn tick(platform: &Platform, job: &Job) -> Result<usize> {
    match job.name {
        "refresh" => {
            oauth_flows::purge(platform).await?;
            refresh::sweep(platform, RENEWALS).await
        }
        _ => validate_due(platform).await,
    }
}

/// Validates the integrations that are due, at most `VALIDATIONS_PER_TICK`. How many there were.
pub async fn validate_due(platform: &Platform) -> Result<usize> {
    let due = validations::claim_due(platform, platform.settings.validations_per_tick).await?;
    let count = due.len();
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, |id| async move {
            if let Err(error) = validate_one(platform, &id).await {
                log::error!("validation of {id}: {error} ({:?})", error.internal);
            }
        })
        .await;
    Ok(count)
}

/// Nobody's credential is used but the organization's.
async fn validate_one(platform: &Platform, id: &str) -> Result<()> {
    if let Some(integration) = integrations::find(platform, integrations::NOBODY, id).await? {
        validate(platform, &integration, ORGANIZATION).await?;
    }
    Ok(())
}
