//! `cargo xtask test`: every test there is, from formatting to the black-box and conformance suites on each runtime.
//!
//! Compiling keeps both cores busy but for its last steps, and the suites on real runtimes wait a lot, so steps run side
//! by side. Commands of cargo that use the same folder of `target` stand in a row, since one would wait for the other:
//! `debug` (lints and tests), `release` (Workers), `component` (Spin). Compilers yield to the tests beside them.

mod black_box;
pub(super) mod lints;
mod plan;
pub(super) mod programs;
pub(super) mod summary;
mod wasm;

use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;

use self::programs::{Program, Tests};
use super::{build, conformance};
use crate::runtime::Runtime;
use crate::tools::{Peers, Tools};

/// How many steps run at once: two cores are what a build machine has at least.
const SIDE_BY_SIDE: usize = 2;

/// Options of `test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose name contains this; formatting, lints, conformance and tests inside WASM are skipped
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// Leaves out the suites on real runtimes with real clients and servers
    #[arg(long)]
    skip_black_box: bool,
    /// Runs those suites on this runtime only (default: on each)
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
}

/// What the steps of a run share.
struct Run<'a> {
    args: &'a Args,
    tools: Tools,
    /// For the suites on real runtimes; without them, none.
    peers: Option<Peers>,
    tests: Tests,
}

impl Run<'_> {
    /// Whether every test is asked for, and not only those of some name.
    fn is_whole(&self) -> bool {
        self.args.filter.is_none()
    }

    fn filter(&self) -> Option<&str> {
        self.args.filter.as_deref()
    }

    /// The runtimes that suites run on.
    fn runtimes(&self) -> Vec<Runtime> {
        let wanted = |runtime: &Runtime| self.args.runtime.is_none_or(|only| only == *runtime);
        Runtime::value_variants().iter().copied().filter(|it| self.peers.is_some() && wanted(it)).collect()
    }

    fn peers(&self) -> Result<&Peers> {
        self.peers.as_ref().context("a suite on a runtime without clients and servers")
    }

    /// Builds Postern and the port suite for workerd.
    fn build_workers(&self) -> Result<()> {
        build::postern(&self.tools, Runtime::Workerd)?;
        build::port_suite_worker(&self.tools)
    }

    /// Runs unit and whole-router tests.
    fn native(&self, components_are_built: bool) -> Result<()> {
        // Otherwise the tests of Spin's test host build the component that they run.
        let built = components_are_built.then(|| ("POSTERN_COMPONENTS_BUILT", "1".into()));
        let is_part = |program: &Program| !black_box::is_part(program);
        self.tests.run(is_part, self.filter().as_slice(), built.as_slice(), None)
    }

    fn black_box(&self, runtime: Runtime) -> Result<()> {
        let environment = black_box::environment(&self.tools, self.peers()?, runtime);
        self.tests.run(black_box::is_part, self.filter().as_slice(), &environment, Some(runtime.name()))
    }

    /// Runs the tests that write to the database once more, on Spin with a database that behaves as a libSQL server.
    fn remote_sqlite(&self) -> Result<()> {
        let mut environment = black_box::environment(&self.tools, self.peers()?, Runtime::Spin);
        environment.push(("POSTERN_SPIN_SQLITE", "remote".into()));
        self.tests.run(black_box::is_part, &black_box::WRITERS, &environment, Some("spin, remote SQLite"))
    }

    fn conformance(&self, runtime: Runtime) -> Result<()> {
        conformance::everything(&self.tools, &self.peers()?.python, runtime)
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let tools = Tools::open()?;
    tools.for_build()?;
    let peers = (!args.skip_black_box).then(|| tools.for_test()).transpose()?;
    let run = Run { args, tools, peers, tests: Tests::default() };
    if run.is_whole() {
        lints::format()?;
    }
    let steps = plan::of(&run).run(SIDE_BY_SIDE)?;
    summary::print(steps, run.tests.into_times(), started.elapsed());
    Ok(())
}
