//! The places of folders and programs in this repository.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Crates that only make sense inside workerd.
pub(crate) const WORKERD_ONLY: [&str; 2] = ["cloudflare", "port-suite-worker"];

/// The packages that are compiled for this machine, as arguments of cargo.
///
/// Cargo compiles a crate with all features that the selected packages together ask of it, so whatever is compiled for
/// this machine has to be selected alike: another selection would compile wasmtime and most other crates again.
pub(crate) const FOR_HOST: [&str; 5] =
    ["--workspace", "--exclude", WORKERD_ONLY[0], "--exclude", WORKERD_ONLY[1]];

/// The folder of the workspace's `Cargo.toml`.
///
/// Cargo is asked at run time, since clones may share a target directory.
pub(crate) fn root() -> PathBuf {
    let manifest_dir = std::env::var("CARGO_MANIFEST_DIR")
        .ok()
        .filter(|dir| Path::new(dir).ends_with("xtask"))
        .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").to_owned());
    let manifest_dir = PathBuf::from(manifest_dir);
    manifest_dir.parent().map_or_else(|| manifest_dir.clone(), Path::to_path_buf)
}

/// The Cloudflare Worker's crate.
pub(crate) fn worker_crate() -> PathBuf {
    root().join("runtimes/cloudflare")
}

/// The functions, by the names of their folders; each is a Spin component of its own. `all` is the list of the
/// functions, not a function.
pub(crate) fn functions() -> Result<Vec<String>> {
    let folder = root().join("functions");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("Cargo.toml").is_file())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| name != "all")
        .collect();
    names.sort();
    Ok(names)
}

/// The Worker that runs the port suite inside workerd.
pub(crate) fn port_suite_crate() -> PathBuf {
    root().join("tests/port-suite-worker")
}

/// The programs that cargo builds for this machine, unoptimized.
pub(crate) fn program(name: &str) -> PathBuf {
    target_dir().join("debug").join(name)
}

/// npm packages that build and run the Worker.
pub(crate) fn tools_dir() -> PathBuf {
    root().join("xtask/tools")
}

/// npm packages that Postern is tested with: real clients and the conformance suite.
pub(crate) fn peers_dir() -> PathBuf {
    root().join("tests/peers")
}

/// Files of the conformance runs: expected failures and the driver.
pub(crate) fn conformance_dir() -> PathBuf {
    root().join("tests/conformance")
}

/// The folder into which cargo builds; also the place of this tool's own locks and reports.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
