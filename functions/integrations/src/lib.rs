//! The registry of upstream MCP servers, in the Kontext dialect (`/api/v1/integrations…`), and `/health`.

#[allow(dead_code)] // until install and the catalogue's route use it
mod catalog;
mod create;
mod health;
mod read;
mod view;

use http::Method;
use shared::http::{Dialect, Routes};

/// Routes of the Kontext dialect.
pub fn routes() -> Routes {
    Routes::new(Dialect::Kontext, "/api/v1/integrations")
        .at(Method::POST, "/api/v1/integrations", create::create)
        .at(Method::GET, "/api/v1/integrations", read::list)
        .at(Method::GET, "/api/v1/integrations/{id}", read::get)
        .at(Method::DELETE, "/api/v1/integrations/{id}", read::archive)
        .at(Method::POST, "/api/v1/integrations/{id}/validate", read::validate)
}

/// Routes about the deployment itself.
pub fn health_routes() -> Routes {
    Routes::new(Dialect::Problem, "/health").public(Method::GET, "/health", health::health)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes(), health_routes());
