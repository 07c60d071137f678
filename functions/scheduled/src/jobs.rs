//! The table of jobs, and one bounded tick of each; the next tick continues with what is left.

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use kernel::Result;
use postern_core::Platform;
use postern_core::model::credential::ORGANIZATION;
use postern_core::oauth::{confirmation, ended_owners, refresh};
use postern_core::store::retention::{Old, ROWS};
use postern_core::store::{integrations, validations};
use postern_core::upstream::validation::validate;

/// A job that a scheduler starts.
pub struct Job {
    /// The job's name, in logs and routes.
    pub name: &'static str,
    /// The cron expression: five fields, UTC. `wrangler.toml` has the same text.
    pub cron: &'static str,
    /// Runs one tick. Returns how many integrations, credentials or rows the tick worked on.
    pub run: for<'a> fn(&'a Platform) -> LocalBoxFuture<'a, Result<usize>>,
}

/// All jobs.
pub const JOBS: &[Job] = &[
    Job { name: "validate", cron: "* * * * *", run: |platform| validate_due(platform).boxed_local() },
    Job { name: "refresh", cron: "* * * * *", run: |platform| refresh_due(platform).boxed_local() },
    Job {
        name: "deleted-keys",
        cron: "* * * * *",
        run: |platform| ended_owners::sweep(platform, REVOCATIONS).boxed_local(),
    },
    Job { name: "retention", cron: "*/5 * * * *", run: |platform| delete_old(platform).boxed_local() },
];

/// Most probes that run at the same time: a Worker may have six simultaneous connections.
const AT_ONCE: usize = 4;

/// Most credentials that one tick renews; each costs one request to an authorization server.
const RENEWALS: u32 = 20;

/// Most credentials of deleted keys that one tick ends; each costs up to two requests to an authorization server.
const REVOCATIONS: u32 = 10;
/// Most statements of one tick of the job `retention`: a Worker of a free plan may run 50 in one invocation. With 1000 rows
/// each and a tick every five minutes, more rows can be deleted than a busy deployment writes.
const DELETIONS: usize = 40;

/// Runs one tick of every job that `cron` starts; an unknown expression is logged and ignored.
pub async fn run(platform: &Platform, cron: &str) {
    let jobs: Vec<&Job> = JOBS.iter().filter(|job| job.cron == cron).collect();
    if jobs.is_empty() {
        log::error!("no job has the cron expression {cron:?}");
    }
    for job in jobs {
        match (job.run)(platform).await {
            Ok(0) => {}
            Ok(count) => log::info!("job {}: {count}", job.name),
            Err(error) => log::error!("job {}: {}", job.name, error.report()),
        }
    }
}

/// Validates the integrations that are due, at most `VALIDATIONS_PER_TICK`. Returns how many were due.
async fn validate_due(platform: &Platform) -> Result<usize> {
    let due = validations::claim_due(platform, platform.settings.validations_per_tick).await?;
    let count = due.len();
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, |id| async move {
            if let Err(error) = validate_one(platform, &id).await {
                log::error!("validation of {id}: {}", error.report());
            }
        })
        .await;
    Ok(count)
}

/// Validates the integration `id` with the organization's credential, and with no user's.
async fn validate_one(platform: &Platform, id: &str) -> Result<()> {
    if let Some(integration) = integrations::find(platform, integrations::NOBODY, id).await? {
        validate(platform, &integration, ORGANIZATION).await?;
    }
    Ok(())
}

/// Renews the tokens that are due, and deletes the grants that were not confirmed in time. Returns how many were due.
async fn refresh_due(platform: &Platform) -> Result<usize> {
    let count = refresh::sweep(platform, RENEWALS).await?;
    confirmation::purge(platform).await?;
    Ok(count)
}

/// Deletes old rows, the oldest first: of each kind [`ROWS`] at a time until none is left, at most [`DELETIONS`] statements
/// in all. The kinds take turns, so that a backlog of one delays no other. Returns how many rows were deleted.
async fn delete_old(platform: &Platform) -> Result<usize> {
    let (mut deleted, mut statements, mut left) = (0, 0, Old::ALL.to_vec());
    while !left.is_empty() && statements + left.len() <= DELETIONS {
        let mut unfinished = Vec::new();
        for old in left {
            let rows = old.delete(platform).await?;
            (deleted, statements) = (deleted + rows, statements + 1);
            if rows >= ROWS {
                unfinished.push(old);
            }
        }
        left = unfinished;
    }
    Ok(deleted)
}
