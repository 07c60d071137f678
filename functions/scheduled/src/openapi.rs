//! What this function adds to the OpenAPI document.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::{route, routes};

#[derive(OpenApi)]
#[openapi(
    paths(route::tick),
    tags((name = "Jobs", description = "For schedulers outside the runtime: systemd timers, Kubernetes CronJobs."))
)]
struct Document;

/// The operations of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    routes().describe(&mut document);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The setting `SCHEDULER_TOKEN`; an API key is none."));
    let components = document.components.get_or_insert_default();
    let schemes = &mut components.security_schemes;
    schemes.insert("schedulerToken".to_owned(), SecurityScheme::Http(scheme.build()).into());
    document
}
