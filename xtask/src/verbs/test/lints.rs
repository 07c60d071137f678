//! Formatting and lints, for each target that something is compiled for.

use std::process::Command;

use anyhow::Result;

use crate::process::{self, yielding};
use crate::steps::{Id, Plan};
use crate::workspace::{self, FOR_HOST, WORKERD_ONLY};

/// What a lint that complains does.
const DENY: [&str; 3] = ["--", "--deny", "warnings"];

/// Checks the formatting.
pub(crate) fn format() -> Result<()> {
    cargo("fmt", &["--all", "--check"])
}

/// Lints all that is compiled for this machine, tests included.
fn host() -> Result<()> {
    cargo("clippy", &[&FOR_HOST[..], &["--all-targets"], &DENY].concat())
}

/// Adds a step per target, one after the other, the first after `needs`.
pub(crate) fn add(plan: &mut Plan<'_>, needs: Id) {
    let host = plan.add("lints", &[needs], || yielding(host));
    let workerd = plan.add("lints of what runs on workerd", &[host], || {
        yielding(|| on_target("wasm32-unknown-unknown", &WORKERD_ONLY))
    });
    plan.add("lints of what runs on Spin", &[workerd], || {
        yielding(|| on_target("wasm32-wasip2", &["spin-runtime", "gateway", "port-suite-spin"]))
    });
}

fn on_target(target: &str, packages: &[&str]) -> Result<()> {
    let packages: Vec<&str> = packages.iter().flat_map(|package| ["--package", package]).collect();
    cargo("clippy", &[&["--target", target], &packages[..], &DENY].concat())
}

/// Runs `cargo`, whose progress would be noise among other steps; `--quiet` belongs behind the subcommand, as clippy and
/// fmt are programs of their own.
fn cargo(subcommand: &str, args: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args([subcommand, "--quiet"]).args(args).current_dir(workspace::root());
    process::run(&mut command, &format!("cargo {subcommand} {}", args.join(" ")))
}
