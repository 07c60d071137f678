//! `cargo xtask build`: compiles a Worker crate with worker-build and the pinned tools.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::console;
use crate::process;
use crate::tools::{Tools, npm_program};
use crate::workspace;

/// Options of `build`.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    worker(&tools, &workspace::worker_crate())
}

/// Builds the Worker crate in `folder` into its `build` folder.
pub(crate) fn worker(tools: &Tools, folder: &Path) -> Result<()> {
    let place = folder
        .strip_prefix(workspace::root())
        .unwrap_or(folder)
        .display()
        .to_string();
    let step = console::step(format!("worker-build --release in {place}"));
    let mut command = Command::new(tools.worker_build()?);
    command
        .arg("--release")
        .current_dir(folder)
        .env("PATH", tools.path())
        .env("WASM_BINDGEN_BIN", tools.wasm_bindgen()?)
        .env("WASM_OPT_BIN", npm_program("binaryen/bin/wasm-opt"))
        .env("ESBUILD_BIN", npm_program("esbuild/bin/esbuild"));
    process::run(&mut command, &format!("worker-build in {place}"))?;
    let wasm = folder.join("build/index_bg.wasm");
    let size = wasm
        .metadata()
        .with_context(|| format!("no {}", wasm.display()))?
        .len();
    console::note(format!("{place}/build/index_bg.wasm: {} kB", size / 1000));
    step.done();
    Ok(())
}
