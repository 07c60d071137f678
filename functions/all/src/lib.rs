//! The one list of functions. The Worker mounts their routes, the OpenAPI document and the manifests are derived from
//! them, and the tests walk through them; on Spin each function is a component of its own.

#[cfg(not(target_family = "wasm"))]
pub mod openapi;

use postern_core::Routes;
pub use scheduled::{JOBS, Job, run};

/// A function: a crate in the folder `functions`.
pub struct Function {
    /// Name of the function's folder, and of its component on Spin.
    pub name: &'static str,
    /// Returns the function's families of routes.
    pub families: fn() -> Vec<Routes>,
}

/// All functions, in the order of the OpenAPI document.
pub const FUNCTIONS: &[Function] = &[
    Function { name: "integrations", families: integrations::families },
    Function { name: "connections", families: connections::families },
    Function { name: "admin", families: admin::families },
    Function { name: "oauth-callback", families: oauth_callback::families },
    Function { name: "gateway", families: gateway::families },
    Function { name: "scheduled", families: scheduled::families },
];

/// Returns the families of all functions.
pub fn families() -> Vec<Routes> {
    FUNCTIONS.iter().flat_map(|function| (function.families)()).collect()
}
