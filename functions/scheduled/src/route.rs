//! `POST /_scheduled/{job}`: one bounded tick, for a systemd timer, a Kubernetes `CronJob` or any other scheduler.

use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::json;
use shared::http::request::json;
use shared::http::{Request, Response};
use shared::seal::constant_time_eq;
use shared::{Code, Error, Platform, Result};

use crate::JOBS;

/// 200 `{job, processed}`; 401 without the token; 404 for an unknown job, and for every job while `SCHEDULER_TOKEN` is
/// not set.
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
    json(StatusCode::OK, &json!({ "job": job.name, "processed": processed }))
}
