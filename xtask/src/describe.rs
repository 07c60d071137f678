//! Descriptions of the product, as the program `describe` of the crate `all` prints them.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The JSON that `describe <subject>` prints.
pub(crate) fn text(subject: &str) -> Result<String> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "all", "--bin", "describe", "--", subject])
        .current_dir(workspace::root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("describe {subject} failed ({})", output.status);
    }
    String::from_utf8(output.stdout).context("describe printed something that is not UTF-8")
}
