//! The one list of functions. The Worker mounts it, the OpenAPI document and the manifests are derived from it, and the
//! tests walk through it; on Spin each function is a component of its own.

#[cfg(not(target_family = "wasm"))]
pub mod openapi;

use postern_core::Routes;
pub use scheduled::{JOBS, Job, run};

/// A function: a crate of `functions/`.
pub struct Function {
    /// Its folder, and its component's name on Spin.
    pub name: &'static str,
    /// The families of its routes.
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

/// The families of all functions.
pub fn families() -> Vec<Routes> {
    FUNCTIONS.iter().flat_map(|function| (function.families)()).collect()
}
