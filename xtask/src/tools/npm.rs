//! `npm ci` beside a package.json, skipped while its lock file and Node stay the same.

use std::path::Path;

use anyhow::{Context, Result};

use super::node::Node;
use crate::console;
use crate::fs_ext;
use crate::process;
use crate::workspace;

/// Inside `node_modules`, so that the stamp vanishes with the packages that it describes.
const STAMP: &str = "node_modules/.postern-stamp";

/// Installs exactly what `package-lock.json` in `dir` names.
pub(super) fn ensure(node: &Node, dir: &Path) -> Result<()> {
    let lock_file = dir.join("package-lock.json");
    let locked = std::fs::read(&lock_file).with_context(|| format!("cannot read {}", lock_file.display()))?;
    let expected = fs_ext::sha256(&[&locked, node.version.as_bytes()]);
    let is_current = || std::fs::read_to_string(dir.join(STAMP)).is_ok_and(|stamp| stamp == expected);
    if is_current() {
        return Ok(());
    }
    let place = dir.strip_prefix(workspace::root()).unwrap_or(dir).display().to_string();
    let name = format!("xtask-npm-{}.lock", place.replace('/', "-"));
    let _lock = fs_ext::lock(&workspace::target_dir().join(name))?;
    if is_current() {
        return Ok(());
    }
    let step = console::step(format!("npm ci in {place}"));
    // No install scripts are run: none of these packages needs one, and no package may run code here.
    let mut npm = node.npm();
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(dir);
    process::run_quietly(&mut npm, &format!("npm ci in {place}"))?;
    std::fs::write(dir.join(STAMP), expected)?;
    step.done();
    Ok(())
}
