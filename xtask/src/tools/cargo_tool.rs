//! Programs from crates.io, compiled once per version into the cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cache::Cache;
use crate::console;
use crate::fs_ext;
use crate::process;
use crate::workspace;

/// The program `bin` of crate `name` at exactly `version`.
pub(super) fn ensure(cache: &Cache, name: &str, version: &str, bin: &str) -> Result<PathBuf> {
    let program = Path::new("bin").join(bin);
    let folder = cache.ensure(&format!("{name}-{version}"), &program, |folder| {
        let target = cache.scratch(&format!("{name}-{version}"))?;
        console::note(format!("compiling {name} {version}: some minutes, once per machine"));
        let installed = cargo_install(name, version, folder, &target, true).or_else(|_| {
            // A lock file may name a version that is gone from the registry; then cargo takes the newest versions
            // that fit.
            console::note("the versions its lock file names cannot all be had: trying without it");
            cargo_install(name, version, folder, &target, false)
        });
        fs_ext::remove_dir(&target)?;
        installed
    })?;
    Ok(folder.join(program))
}

fn cargo_install(name: &str, version: &str, root: &Path, target: &Path, locked: bool) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["install", "--force", "--no-track", "--version"])
        .arg(format!("={version}"))
        .arg("--root")
        .arg(root)
        .arg(name)
        .env("CARGO_TARGET_DIR", target)
        // These programs work for seconds at most: compiling them fast matters more than running them fast.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        // Keeps cargo from advising to put the folder on PATH.
        .env("PATH", path_with(&root.join("bin")))
        .current_dir(workspace::root());
    if locked {
        cargo.arg("--locked");
    }
    process::run(&mut cargo, &format!("cargo install {name}"))
}

fn path_with(folder: &Path) -> OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&rest).chain([folder.to_path_buf()]);
    std::env::join_paths(folders).unwrap_or(rest)
}

/// The version of a crate in the workspace's `Cargo.lock`.
pub(super) fn locked_version(name: &str) -> Result<String> {
    let path = workspace::root().join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    version_in_lock(&text, name)
        .with_context(|| format!("{} does not name {name}: run `cargo generate-lockfile`", path.display()))
}

fn version_in_lock(lock: &str, name: &str) -> Option<String> {
    let lock: toml::Table = lock.parse().ok()?;
    let package = lock
        .get("package")?
        .as_array()?
        .iter()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))?;
    package.get("version")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_out_of_a_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(version_in_lock(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in_lock(lock, "other"), None);
    }
}
