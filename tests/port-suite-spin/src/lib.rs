//! A component that runs the port conformance suite on Spin's ports, inside real WASM:
//! `GET /?helper=<base URL of a stub upstream>` answers `[{name, ok, error?}]`.

use http::StatusCode;
use kernel::{Error, Result};
use postern_core::{Family, Platform, Routes};
use web::answer::json;
use web::dialect::Problem;
use web::{Anyone, Head, Public, Response};

/// The one route.
pub fn families() -> Vec<Routes> {
    vec![Family::new("", &Problem, Public).get("/", run).routes()]
}

async fn run(platform: &Platform, _: Anyone, head: Head) -> Result<Response> {
    let helper = head.query("helper").ok_or_else(|| Error::invalid("?helper=<base URL> is missing"))?;
    let checks = port_suite::run(platform, helper.trim_end_matches('/')).await;
    json(StatusCode::OK, &checks)
}

#[cfg(target_os = "wasi")]
spin_runtime::component!();
