//! The places of programs and folders: environment variables that `cargo xtask test` sets.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// The Node.js program (≥ 22.19).
pub const NODE: &str = "POSTERN_NODE";
/// The `node_modules` folder with miniflare and server-everything.
pub const TOOLS: &str = "POSTERN_TOOLS";
/// The folder `tests/peers`, installed.
pub const PEERS: &str = "POSTERN_PEERS";
/// A Chromium program.
pub const CHROMIUM: &str = "POSTERN_CHROMIUM";
/// A Python program whose packages include mcp 2.3.0, fastmcp 4.2.3, authlib 1.9.10 and flask 3.1.3.
pub const PYTHON: &str = "POSTERN_PYTHON";
/// The unpacked source distribution of mcp 2.3.0.
pub const MCP_SDIST: &str = "POSTERN_MCP_SDIST";
/// The folder with the built Worker.
pub const BUILD: &str = "POSTERN_BUILD";
/// The folder with the built port suite Worker.
pub const PORT_SUITE_BUILD: &str = "POSTERN_PORT_SUITE_BUILD";
/// The program `spin-host`.
pub const SPIN_HOST: &str = "POSTERN_SPIN_HOST";
/// The runtime to test on: `workerd` when absent.
pub const RUNTIME: &str = "POSTERN_RUNTIME";

/// The engine behind Spin's SQLite interface: `remote` for one that behaves as a libSQL server, a file when absent.
pub const SPIN_SQLITE: &str = "POSTERN_SPIN_SQLITE";

/// Whether Spin's database is to behave as a libSQL server.
pub fn is_spin_sqlite_remote() -> Result<bool> {
    match std::env::var(SPIN_SQLITE).as_deref() {
        Err(_) => Ok(false),
        Ok("remote") => Ok(true),
        Ok(other) => bail!("{SPIN_SQLITE} names no engine: {other}"),
    }
}

/// The path that a variable holds.
pub fn path(name: &str) -> Result<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .with_context(|| format!("{name} is not set; run the black-box suite with `cargo xtask test`"))
}

/// The newest schema version: the number of migrations.
pub fn schema_version() -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(workspace().join("migrations"))? {
        count += usize::from(entry?.path().extension().is_some_and(|extension| extension == "sql"));
    }
    Ok(count)
}

/// The folder that holds this workspace.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
