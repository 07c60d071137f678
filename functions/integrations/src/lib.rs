//! The registry of upstream MCP servers, in two dialects: Kontext (`/api/v1/integrations…`) and Hoziron
//! (`/integrations…`); and what the deployment says about itself (`/health`, `/openapi.json`).

mod about;
mod catalog;
mod hoziron;
mod kontext;
mod openapi;

use http::Method;
use web::{Dialect, Routes};

pub use openapi::openapi;

/// Routes of the Kontext dialect.
pub fn routes() -> Routes {
    Routes::new(Dialect::Kontext, "/api/v1/integrations")
        .at(Method::POST, "/api/v1/integrations", kontext::create::create)
        .at(Method::GET, "/api/v1/integrations", kontext::read::list)
        .at(Method::GET, "/api/v1/integrations/{id}", kontext::read::get)
        .at(Method::PATCH, "/api/v1/integrations/{id}", kontext::update::update)
        .at(Method::DELETE, "/api/v1/integrations/{id}", kontext::read::archive)
        .at(Method::POST, "/api/v1/integrations/{id}/validate", kontext::read::validate)
        .at(Method::GET, "/api/v1/integrations/{id}/oauth", kontext::oauth::get)
        .at(Method::PUT, "/api/v1/integrations/{id}/oauth", kontext::oauth::replace)
        .at(Method::DELETE, "/api/v1/integrations/{id}/oauth", kontext::oauth::remove)
        .at(Method::POST, "/api/v1/integrations/{id}/connection", kontext::connection::add)
        .at(Method::GET, "/api/v1/integrations/{id}/connection", kontext::connection::get)
        .at(Method::DELETE, "/api/v1/integrations/{id}/connection", kontext::connection::revoke)
        .at(Method::GET, "/api/v1/integrations/{id}/tools", kontext::tools::list)
        .at(Method::POST, "/api/v1/integrations/{id}/tools/{tool}/approve", kontext::tools::approve)
        .at(Method::POST, "/api/v1/integrations/{id}/tools/{tool}/reject", kontext::tools::reject)
}

/// Routes of the Hoziron dialect.
pub fn hoziron_routes() -> Routes {
    Routes::new(Dialect::Hoziron, "/integrations")
        .at(Method::GET, "/integrations", hoziron::read::list)
        .at(Method::GET, "/integrations/catalog", hoziron::read::catalog)
        .at(Method::POST, "/integrations/install", hoziron::install::install)
        .at(Method::DELETE, "/integrations/{id}", hoziron::lifecycle::remove)
        .at(Method::POST, "/integrations/{id}/start", hoziron::lifecycle::start)
        .at(Method::POST, "/integrations/{id}/stop", hoziron::lifecycle::stop)
        .at(Method::POST, "/integrations/{id}/restart", hoziron::lifecycle::restart)
        .at(Method::GET, "/integrations/{id}/status", hoziron::read::status)
        .at(Method::GET, "/integrations/{id}/tools", hoziron::read::tools)
}

/// Routes about the deployment itself.
pub fn about_routes() -> Routes {
    Routes::new(Dialect::Problem, "/health").public(Method::GET, "/health", about::health).public(
        Method::GET,
        "/openapi.json",
        about::openapi,
    )
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes(), hoziron_routes(), about_routes());
