//! The order of the steps of a run, and what each of them needs.

use super::{Run, lints, wasm};
use crate::process::yielding;
use crate::runtime::Runtime;
use crate::steps::{Id, Plan};
use crate::verbs::{build, sizes};

/// The steps that build what others run.
struct Built {
    programs: Id,
    workers: Option<Id>,
    components: Option<Id>,
}

impl Built {
    /// Postern for `runtime`.
    fn application(&self, runtime: Runtime) -> Option<Id> {
        match runtime {
            Runtime::Workerd => self.workers,
            Runtime::Spin => self.components,
        }
    }

    /// What a suite on `runtime` needs.
    fn for_suite(&self, runtime: Runtime) -> Vec<Id> {
        self.application(runtime).into_iter().chain([self.programs]).collect()
    }
}

/// All steps, in the order in which those that could start do: first what others wait for; then one long suite and the
/// lints, which leave it the processor; then the other suites.
pub(super) fn of<'a>(run: &'a Run<'a>) -> Plan<'a> {
    let mut plan = Plan::default();
    let runtimes = run.runtimes();
    let built = add_builds(&mut plan, run, &runtimes);
    let (first, others) = runtimes.split_at(runtimes.len().min(1));
    for runtime in first {
        add_black_box(&mut plan, run, *runtime, &built);
    }
    if run.is_whole() {
        lints::add(&mut plan, built.programs);
        plan.add("tests inside WASM", built.workers.as_slice(), || yielding(|| wasm::run(&run.tools)));
    }
    for runtime in others {
        add_black_box(&mut plan, run, *runtime, &built);
    }
    for runtime in runtimes.into_iter().filter(|_| run.is_whole()) {
        let name = runtime.name();
        let application = built.application(runtime);
        plan.add(format!("sizes (for {name})"), application.as_slice(), move || sizes::check(runtime));
        let needs = built.for_suite(runtime);
        plan.add(format!("conformance (on {name})"), &needs, move || run.conformance(runtime));
    }
    plan
}

/// Adds what others wait for, and the tests that need no runtime.
fn add_builds<'a>(plan: &mut Plan<'a>, run: &'a Run<'a>, runtimes: &[Runtime]) -> Built {
    let programs = plan.add("build the tests", &[], || run.tests.build());
    let workers = runtimes
        .contains(&Runtime::Workerd)
        .then(|| plan.add("build the Workers", &[], || yielding(|| run.build_workers())));
    let components = runtimes
        .contains(&Runtime::Spin)
        .then(|| plan.add("build the Spin components", &[], || yielding(build::components_for_tests)));
    let needs: Vec<Id> = components.into_iter().chain([programs]).collect();
    plan.add("unit and whole-router tests", &needs, move || run.native(components.is_some()));
    Built { programs, workers, components }
}

fn add_black_box<'a>(plan: &mut Plan<'a>, run: &'a Run<'a>, runtime: Runtime, built: &Built) {
    let needs = built.for_suite(runtime);
    let title = format!("black-box suite (on {})", runtime.name());
    plan.add(title, &needs, move || run.black_box(runtime));
    if runtime == Runtime::Spin && run.is_whole() {
        plan.add("black-box suite (on spin, remote SQLite)", &needs, || run.remote_sqlite());
    }
}
