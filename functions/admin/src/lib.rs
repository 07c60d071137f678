//! The admin API (`/api/v1/admin/…`), in problem details.

mod gateway;
mod openapi;

use http::Method;
use web::{Dialect, Routes};

pub use openapi::openapi;

/// Routes of the admin API.
pub fn routes() -> Routes {
    Routes::new(Dialect::Problem, "/api/v1/admin").at(
        Method::POST,
        "/api/v1/admin/gateway/connections/{name}/oauth-start",
        gateway::oauth_start,
    )
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes());
