//! `POST /_scheduled/{job}`: one bounded tick, for a systemd timer, a Kubernetes `CronJob` or any other scheduler.

use http::StatusCode;
use http::header::AUTHORIZATION;
use serde::Serialize;
use web::dialect::Problem;
use web::request::json;
use web::{Request, Response};
use kernel::digest::constant_time_eq;
use kernel::{Code, Error, Result};
use postern_core::Platform;

use crate::JOBS;

/// What one tick did.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tick {
    /// The job.
    #[schema(example = "validate")]
    job: &'static str,
    /// How much of its work this tick took up.
    processed: usize,
}

/// 200 `{job, processed}`; 401 without the token; 404 for an unknown job, and for every job while `SCHEDULER_TOKEN` is
/// not set.
#[utoipa::path(
    post,
    path = "/_scheduled/{job}",
    operation_id = "runJob",
    tag = "Jobs",
    summary = "Run one tick of a job",
    description = "A tick is bounded; the next one goes on where it ended. Two at once do no harm.",
    params(("job" = String, Path, description = "The job's name: `validate` or `refresh`.")),
    security(("schedulerToken" = [])),
    responses(
        (status = 200, description = "The tick is over.", body = Tick),
        (
            status = 401,
            description = "The token is missing or wrong.",
            body = Problem,
            content_type = "application/problem+json"
        ),
        (
            status = 404,
            description = "No such job, or `SCHEDULER_TOKEN` is not set.",
            body = Problem,
            content_type = "application/problem+json"
        )
    )
)]
pub(crate) async fn tick(platform: &Platform, request: Request) -> Result<Response> {
    let not_found = || Error::not_found("no such job");
    let token = platform.settings.scheduler_token.as_ref().ok_or_else(not_found)?;
    let presented =
        request.header(&AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if !constant_time_eq(presented.as_bytes(), token.expose().as_bytes()) {
        return Err(Error::new(Code::Unauthenticated, "authentication required: send the scheduler token"));
    }
    let job = JOBS.iter().find(|job| job.name == request.text_param("job")).ok_or_else(not_found)?;
    let processed = crate::tick(platform, job).await?;
    json(StatusCode::OK, &Tick { job: job.name, processed })
}
