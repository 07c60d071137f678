//! `describe openapi | settings | routes | jobs`: prints that part of the product's description as JSON, for the
//! commands of `cargo xtask` that write the OpenAPI document and the manifests.

#[cfg(not(target_family = "wasm"))]
fn main() -> Result<(), String> {
    let text = match std::env::args().nth(1).as_deref() {
        Some("openapi") => all::openapi::text().map_err(|error| error.to_string())?,
        Some("settings") => settings().to_string(),
        Some("routes") => routes().to_string(),
        Some("jobs") => jobs().to_string(),
        _ => return Err("usage: describe openapi | settings | routes | jobs".to_owned()),
    };
    print!("{text}");
    Ok(())
}

#[cfg(target_family = "wasm")]
fn main() {}

/// Returns name, secrecy, default and description of every setting.
#[cfg(not(target_family = "wasm"))]
fn settings() -> serde_json::Value {
    postern_core::settings::SETTINGS
        .iter()
        .map(|setting| {
            serde_json::json!({
                "name": setting.name,
                "secret": setting.secret,
                "default": setting.default,
                "description": setting.description,
            })
        })
        .collect()
}

/// Returns method and path of every route, by function.
#[cfg(not(target_family = "wasm"))]
fn routes() -> serde_json::Value {
    let listing = |function: &all::Function| -> serde_json::Value {
        let families = (function.families)();
        let routes = families.iter().flat_map(postern_core::Routes::listing);
        routes.map(|(method, path)| serde_json::json!([method.as_str(), path])).collect()
    };
    all::FUNCTIONS.iter().map(|function| (function.name.to_owned(), listing(function))).collect()
}

/// Returns name and cron expression of every job.
#[cfg(not(target_family = "wasm"))]
fn jobs() -> serde_json::Value {
    all::JOBS.iter().map(|job| serde_json::json!({ "name": job.name, "cron": job.cron })).collect()
}
