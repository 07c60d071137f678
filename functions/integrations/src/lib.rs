//! The registry of upstream MCP servers, in two dialects: Kontext (`/api/v1/integrations…`) and Hoziron
//! (`/integrations…`); and what the deployment says about itself (`/health`, `/openapi.json`).

mod about;
mod directory;
mod hoziron;
mod kontext;
mod schemas;

use postern_core::auth::ApiKeys;
use postern_core::{Family, Routes};
use web::Public;
use web::dialect::{Hoziron, Kontext, Problem};

/// The families of this function.
pub fn families() -> Vec<Routes> {
    let kontext = Family::new("/api/v1/integrations", &Kontext, ApiKeys).tag(
        "Kontext",
        "The registry in the Kontext dialect: camelCase, integrations by UUID, errors as `KontextError`.",
    );
    let hoziron = Family::new("/integrations", &Hoziron, ApiKeys).tag(
        "Hoziron",
        "The same registry in the Hoziron dialect: snake_case, integrations by slug, errors as `HozironError`.",
    );
    let about =
        Family::new("", &Problem, Public).tag("Deployment", "What this deployment says about itself.");
    vec![kontext::routes(kontext).routes(), hoziron::routes(hoziron).routes(), about::routes(about).routes()]
}

#[cfg(target_os = "wasi")]
spin_runtime::component!();
