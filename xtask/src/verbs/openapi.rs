//! `cargo xtask openapi`: writes the OpenAPI document anew, out of the code.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace;

/// Options of `openapi`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Prints the document instead of writing docs/openapi.json
    #[arg(long)]
    print: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--package", "native", "--bin", "openapi"]).current_dir(workspace::root());
    if args.print {
        cargo.args(["--", "--print"]);
    }
    process::run(&mut cargo, "the generator of the OpenAPI document")
}
