//! `cargo xtask test`: every test there is, from formatting to the black-box and conformance suites on each runtime.
//!
//! Compiling keeps both cores busy but for its last steps, and the suites on real runtimes wait a lot, so steps run side
//! by side. Commands of cargo that use the same folder of `target` stand in a row, since one would wait for the other:
//! `debug` (lints and tests), `release` (Workers), `component` (Spin).

mod black_box;
pub(super) mod lints;
pub(super) mod programs;
pub(super) mod summary;
mod wasm;

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum as _;

use self::programs::{Program, Tests};
use super::{build, conformance, sizes};
use crate::runtime::Runtime;
use crate::steps::{Id, Plan};
use crate::tools::{Python, Tools};

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
    tests: Tests,
}

impl Run<'_> {
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

    fn black_box(&self, python: &Python, runtime: Runtime) -> Result<()> {
        let environment = black_box::environment(&self.tools, python, runtime);
        self.tests.run(black_box::is_part, self.filter().as_slice(), &environment, Some(runtime.name()))
    }

    /// Runs the tests that write to the database once more, on Spin with a database that behaves as a libSQL server.
    fn remote_sqlite(&self, python: &Python) -> Result<()> {
        let mut environment = black_box::environment(&self.tools, python, Runtime::Spin);
        environment.push(("POSTERN_SPIN_SQLITE", "remote".into()));
        self.tests.run(black_box::is_part, &black_box::WRITERS, &environment, Some("spin, remote SQLite"))
    }

    fn filter(&self) -> Option<&str> {
        self.args.filter.as_deref()
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let tools = Tools::open()?;
    tools.for_build()?;
    let python = (!args.skip_black_box).then(|| tools.for_test()).transpose()?;
    let run = Run { args, tools, tests: Tests::default() };
    if args.filter.is_none() {
        lints::format()?;
    }
    let steps = plan(&run, python.as_ref()).run(SIDE_BY_SIDE)?;
    summary::print(steps, run.tests.into_times(), started.elapsed());
    Ok(())
}

/// The steps that build what others run.
struct Built {
    programs: Id,
    workers: Option<Id>,
    components: Option<Id>,
}

fn plan<'a>(run: &'a Run<'a>, python: Option<&'a Python>) -> Plan<'a> {
    let is_whole = run.args.filter.is_none();
    let runs_on = |runtime| python.is_some() && run.args.runtime.is_none_or(|only| only == runtime);
    let mut plan = Plan::default();
    let programs = plan.add("build the tests", &[], || run.tests.build());
    let workers =
        runs_on(Runtime::Workerd).then(|| plan.add("build the Workers", &[], || run.build_workers()));
    let components = runs_on(Runtime::Spin)
        .then(|| plan.add("build the Spin components", &[], build::components_for_tests));
    let built = Built { programs, workers, components };
    let native = [Some(programs), components].into_iter().flatten().collect::<Vec<_>>();
    plan.add("unit and whole-router tests", &native, move || run.native(components.is_some()));
    for runtime in Runtime::value_variants() {
        if let Some(python) = python.filter(|_| runs_on(*runtime)) {
            on_runtime(&mut plan, run, python, *runtime, &built);
        }
    }
    if is_whole {
        lints::add(&mut plan, programs);
        plan.add("tests inside WASM", workers.as_slice(), || wasm::run(&run.tools));
    }
    plan
}

/// Adds the suites on one runtime.
fn on_runtime<'a>(
    plan: &mut Plan<'a>,
    run: &'a Run<'a>,
    python: &'a Python,
    runtime: Runtime,
    built: &Built,
) {
    let application = match runtime {
        Runtime::Workerd => built.workers,
        Runtime::Spin => built.components,
    };
    let needs: Vec<Id> = application.into_iter().chain([built.programs]).collect();
    let name = runtime.name();
    plan.add(format!("black-box suite (on {name})"), &needs, move || run.black_box(python, runtime));
    if run.args.filter.is_none() {
        plan.add(format!("sizes (for {name})"), application.as_slice(), move || sizes::check(runtime));
        if runtime == Runtime::Spin {
            plan.add("black-box suite (on spin, remote SQLite)", &needs, move || run.remote_sqlite(python));
        }
        plan.add(format!("conformance (on {name})"), &needs, move || {
            conformance::everything(&run.tools, python, runtime)
        });
    }
}
