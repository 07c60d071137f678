//! Tests of what must hold inside WASM as it does natively, run there, under Node.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::tools::Tools;
use crate::workspace;

/// Runs them. Compiled as the Worker is and selected together with its crate, so that nearly every crate is there already.
pub(super) fn run(tools: &Tools) -> Result<()> {
    let runner = tools.wasm_bindgen_test_runner()?;
    let mut command = Command::new("cargo");
    command
        .args(["test", "--release", "--target", "wasm32-unknown-unknown"])
        .args(["--package", "postern-core", "--package", "cloudflare", "--test", "wasm"])
        .current_dir(workspace::root())
        .env("PATH", tools.path())
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner)
        // As in the build of the Worker; without it, each would undo the other's work.
        .env("WASM_BINDGEN_USE_JS_SYS", "1");
    process::run(&mut command, "cargo test inside WASM")
}
