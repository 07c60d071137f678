//! A component that runs the port conformance suite on Spin's ports, inside real WASM:
//! `GET /?helper=<base URL of a stub upstream>` answers `[{name, ok, error?}]`.

use http::{Method, StatusCode};
use web::request::json;
use web::{Dialect, Request, Response, Routes};
use kernel::{Error, Result};
use postern_core::Platform;

/// The one route.
pub fn routes() -> Routes {
    Routes::new(Dialect::Problem, "/").public(Method::GET, "/", run)
}

async fn run(platform: &Platform, request: Request) -> Result<Response> {
    let helper = request.query("helper").ok_or_else(|| Error::invalid("?helper=<base URL> is missing"))?;
    let checks = kernel::port_suite::run(platform, helper.trim_end_matches('/')).await;
    json(StatusCode::OK, &checks)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!(routes());
