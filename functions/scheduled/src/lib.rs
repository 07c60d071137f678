//! Scheduled jobs: the table of jobs with their cron expressions, and one bounded, resumable tick of each.
//!
//! Cloudflare starts a job by its cron expression; anything else by `POST /_scheduled/{job}`, one tick per call.
//!
//! A tick claims its work in SQL, so it may be lost or run twice at once without harm, and the next one goes on
//! where it ended.

mod route;

use futures_util::{StreamExt as _, stream};
use http::Method;
use shared::http::{Dialect, Routes};
use shared::mcp::validation::validate;
use shared::model::credential::ORGANIZATION;
use shared::store::{integrations, validations};
use shared::{Platform, Result};

/// A job that a runtime's scheduler starts.
pub struct Job {
    /// Name, in logs and routes.
    pub name: &'static str,
    /// Five fields, UTC; the same text stands in `wrangler.toml`.
    pub cron: &'static str,
}

/// All jobs.
pub const JOBS: [Job; 1] = [Job { name: "validate", cron: "* * * * *" }];

/// The route for schedulers outside the runtime.
pub fn routes() -> Routes {
    Routes::new(Dialect::Problem, "/_scheduled").public(Method::POST, "/_scheduled/{job}", route::tick)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes());

/// Probes at once: a Worker has six simultaneous connections.
const AT_ONCE: usize = 4;

/// Runs one tick of the job that `cron` starts; an unknown expression is logged and ignored.
pub async fn run(platform: &Platform, cron: &str) {
    match JOBS.iter().find(|job| job.cron == cron) {
        Some(job) => match validate_due(platform).await {
            Ok(0) => {}
            Ok(count) => log::info!("job {}: {count} integrations", job.name),
            Err(error) => log::error!("job {}: {error} ({:?})", job.name, error.internal),
        },
        None => log::error!("no job has the cron expression {cron:?}"),
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
