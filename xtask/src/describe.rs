//! Descriptions of the product, as the program `describe` of the crate `all` prints them.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::verbs::build;

/// The JSON that `describe <subject>` prints.
pub(crate) fn text(subject: &str) -> Result<String> {
    let program = build::host_program("describe")?;
    process::output(Command::new(program).arg(subject)).with_context(|| format!("describe {subject}"))
}
