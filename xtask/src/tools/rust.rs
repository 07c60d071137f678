//! The Rust side: the pinned toolchain's WASM targets and the host's C compiler.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::console;
use crate::process;
use crate::workspace;

/// Compilation targets of the two runtimes.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// Checks for the programs that this tool cannot install, and names the remedy for one that is missing.
pub(super) fn check_host() -> Result<()> {
    if process::output(Command::new("cargo").arg("--version").current_dir(workspace::root())).is_err() {
        bail!("cargo is not on PATH: install Rust from https://rustup.rs");
    }
    if process::output(Command::new("cc").arg("--version")).is_err() {
        bail!(
            "no C compiler (`cc`) on PATH: install one (Debian and Ubuntu: `apt-get install build-essential`, \
             Fedora: `dnf install gcc`, macOS: `xcode-select --install`)"
        );
    }
    Ok(())
}

/// Adds the WASM targets to the toolchain that `rust-toolchain.toml` pins.
pub(super) fn ensure_targets() -> Result<()> {
    let missing: Vec<&str> = TARGETS.into_iter().filter(|target| !is_installed(target)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if process::output(Command::new("rustup").arg("--version")).is_err() {
        bail!(
            "the Rust targets {} are missing and rustup is not on PATH: install rustup from https://rustup.rs, \
             or add the targets with whatever installed this Rust",
            missing.join(", ")
        );
    }
    let step = console::step(format!("rustup target add {}", missing.join(" ")));
    process::run(
        Command::new("rustup").args(["target", "add"]).args(&missing).current_dir(workspace::root()),
        "rustup target add",
    )
    .context("the pinned toolchain is in rust-toolchain.toml; `rustup toolchain install` in this folder installs it")?;
    step.done();
    Ok(())
}

/// Asks rustc rather than rustup, so that a Rust that was installed without rustup is accepted when it has the
/// targets.
fn is_installed(target: &str) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", target]).current_dir(workspace::root());
    process::output(&mut rustc).is_ok_and(|libdir| Path::new(libdir.trim()).is_dir())
}
