//! `cargo xtask check`: the loop for one change, in a minute or two: formatting, lints, unit and whole-router tests.
//!
//! What needs a built Worker or component is left to `cargo xtask test`.

use std::time::Instant;

use anyhow::Result;

use super::test::programs::{Program, Tests};
use super::test::{lints, summary};
use crate::steps::Plan;
use crate::tools;

/// Crates whose tests need more than this machine's own programs.
const NEED_WASM: [&str; 2] = ["tests/black-box", "tests/spin-host"];

/// Options of `check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose name contains this, without lints
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    tools::compilers()?;
    if args.filter.is_none() {
        lints::format()?;
    }
    let tests = Tests::default();
    let mut plan = Plan::default();
    let built = plan.add("build the tests", &[], || tests.build());
    plan.add("unit and whole-router tests", &[built], || {
        tests.run(|program| !needs_wasm(program), args.filter.as_deref().as_slice(), &[], None)
    });
    if args.filter.is_none() {
        lints::add(&mut plan, built);
    }
    let steps = plan.run(2)?;
    summary::print(steps, tests.into_times(), started.elapsed());
    Ok(())
}

fn needs_wasm(program: &Program) -> bool {
    NEED_WASM.into_iter().any(|folder| program.is_of(folder))
}
