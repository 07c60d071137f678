//! `cargo xtask test`: every test there is, from formatting to the black-box and conformance suites on each runtime.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum as _;

use super::{build, conformance};
use crate::console::{self, seconds};
use crate::process;
use crate::runtime::Runtime;
use crate::tools::{Python, Tools};
use crate::workspace;

/// Crates that only make sense inside a WASM runtime.
const WASM_ONLY: [&str; 2] = ["cloudflare", "port-suite-worker"];
/// The crate of the black-box suite.
const BLACK_BOX: &str = "black-box";
/// What the Worker is compiled for.
const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// What the Spin components are compiled for.
const WASI_TARGET: &str = "wasm32-wasip2";

/// Options of `test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose name contains this; formatting, lints, conformance and tests inside WASM are skipped
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// Leaves out the suites on real runtimes with real clients and servers
    #[arg(long)]
    skip_black_box: bool,
    /// Runs those suites on this runtime only (default: on each in turn)
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
}

/// Runs the steps and remembers how long each took.
struct Run {
    started: Instant,
    times: Vec<(String, Duration)>,
}

impl Run {
    fn step(&mut self, title: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let step = console::step(title);
        work()?;
        self.times.push(step.done());
        Ok(())
    }

    /// A step that is one cargo command.
    fn cargo(&mut self, args: &[&str]) -> Result<()> {
        let title = format!("cargo {}", args.join(" "));
        self.step(&title, || process::run(&mut cargo(args), &title))
    }

    fn summary(&self) {
        println!("\n==> all steps passed");
        for (title, time) in &self.times {
            println!("    {:>12}  {title}", seconds(*time));
        }
        println!("    {:>12}  in all", seconds(self.started.elapsed()));
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut run = Run { started: Instant::now(), times: Vec::new() };
    let tools = Tools::open()?;
    tools.for_build()?;
    let python = (!args.skip_black_box).then(|| tools.for_test()).transpose()?;
    if args.filter.is_none() {
        lints(&mut run)?;
    }
    native(&mut run, args)?;
    if args.filter.is_none() {
        in_wasm(&mut run, &tools)?;
    }
    if let Some(python) = python {
        let runtimes = args.runtime.map_or_else(|| Runtime::value_variants().to_vec(), |one| vec![one]);
        for runtime in runtimes {
            run.step(&format!("build for {}", runtime.name()), || {
                build::postern(&tools, runtime)?;
                build::port_suite(&tools, runtime)
            })?;
            black_box(&mut run, &tools, &python, runtime, args)?;
            if args.filter.is_none() {
                run.step(&format!("conformance (on {})", runtime.name()), || {
                    conformance::everything(&tools, &python, runtime)
                })?;
            }
        }
    }
    run.summary();
    Ok(())
}

fn lints(run: &mut Run) -> Result<()> {
    run.cargo(&["fmt", "--all", "--check"])?;
    run.cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    let [worker, port_suite] = WASM_ONLY;
    let packages = ["clippy", "--package", worker, "--package", port_suite];
    run.cargo(&[&packages[..], &["--target", WASM_TARGET, "--", "--deny", "warnings"]].concat())?;
    let components =
        ["clippy", "--package", "spin-runtime", "--package", "gateway", "--package", "port-suite-spin"];
    run.cargo(&[&components[..], &["--target", WASI_TARGET, "--", "--deny", "warnings"]].concat())
}

/// Unit and whole-router tests.
fn native(run: &mut Run, args: &Args) -> Result<()> {
    let mut command = vec!["test", "--workspace", "--no-fail-fast"];
    for package in WASM_ONLY.iter().chain(&[BLACK_BOX]) {
        command.extend(["--exclude", package]);
    }
    command.extend(test_filter(args));
    run.cargo(&command)
}

/// What must hold in WASM, run there, under Node.
fn in_wasm(run: &mut Run, tools: &Tools) -> Result<()> {
    let args = ["test", "--package", "shared", "--target", WASM_TARGET, "--test", "wasm"];
    let title = format!("cargo {} (under Node)", args.join(" "));
    let runner = tools.wasm_bindgen_test_runner()?;
    run.step(&title, || {
        let mut command = cargo(&args);
        command.env("PATH", tools.path()).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
        process::run(&mut command, &title)
    })
}

fn black_box(run: &mut Run, tools: &Tools, python: &Python, runtime: Runtime, args: &Args) -> Result<()> {
    let args = [&["test", "--package", BLACK_BOX, "--no-fail-fast"][..], &test_filter(args)].concat();
    let title = format!("cargo {} (on {})", args.join(" "), runtime.name());
    run.step(&title, || {
        let mut command = cargo(&args);
        command
            .env("PATH", tools.path())
            .env("POSTERN_RUNTIME", runtime.name())
            .env("POSTERN_SPIN_HOST", workspace::program("spin-host"))
            .env("POSTERN_NODE", tools.node_program())
            .env("POSTERN_TOOLS", workspace::tools_dir().join("node_modules"))
            .env("POSTERN_PEERS", workspace::peers_dir())
            .env("POSTERN_PYTHON", python.program())
            .env("POSTERN_MCP_SDIST", python.source())
            .env("POSTERN_BUILD", workspace::worker_crate().join("build"))
            .env("POSTERN_PORT_SUITE_BUILD", workspace::port_suite_crate().join("build"));
        process::run(&mut command, &title)
    })
}

fn test_filter(args: &Args) -> Vec<&str> {
    args.filter.as_deref().map(|filter| vec!["--", filter]).unwrap_or_default()
}

fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(workspace::root());
    command
}
