//! `cargo xtask setup`: installs every tool, so that later verbs start at once.

use anyhow::Result;

use crate::console;
use crate::tools::Tools;

/// Options of `setup`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only what building and `dev` need, without the test peers
    #[arg(long)]
    build_only: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    if !args.build_only {
        tools.for_test()?;
    }
    println!();
    console::note("every tool is in place");
    Ok(())
}
