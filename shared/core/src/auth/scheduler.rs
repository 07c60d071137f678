//! Authenticates schedulers outside the runtime by the setting `SCHEDULER_TOKEN`, sent as a bearer token (RFC 6750
//! §2.1).

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use kernel::digest::constant_time_eq;
use kernel::{Code, Error, Result};
use web::{Authenticate, Head};

use crate::Platform;

/// Authenticates by the scheduler's token. While `SCHEDULER_TOKEN` is not set, the family's routes answer 404.
pub struct SchedulerToken;

/// A caller that presented the scheduler's token.
pub struct Scheduler;

#[async_trait(?Send)]
impl Authenticate<Platform> for SchedulerToken {
    type Caller = Scheduler;

    async fn authenticate(&self, platform: &Platform, head: &Head) -> Result<Scheduler> {
        let token =
            platform.settings.scheduler_token.as_ref().ok_or_else(|| Error::not_found("no such job"))?;
        let presented =
            head.header(&AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if constant_time_eq(presented.as_bytes(), token.expose().as_bytes()) {
            return Ok(Scheduler);
        }
        Err(Error::new(Code::Unauthenticated, "authentication required: send the scheduler token"))
    }

    fn source<'a>(&self, _caller: &'a Scheduler) -> Option<&'a str> {
        Some("scheduler")
    }

    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<web::openapi::Scheme> {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The setting `SCHEDULER_TOKEN`; an API key is none."));
        vec![web::openapi::Scheme { name: "schedulerToken", scheme: SecurityScheme::Http(scheme.build()) }]
    }
}
