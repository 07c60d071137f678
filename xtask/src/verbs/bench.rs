//! `cargo xtask bench`: builds the Worker, then measures it with the load generator in `tests/bench`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::build;
use crate::console;
use crate::process;
use crate::runtime::Runtime;
use crate::tools::Tools;
use crate::workspace;

/// What can be measured on its own.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    /// Calls and lists through Postern, cold starts, memory
    Gateway,
    /// Creating, getting and listing integrations in registries of two sizes; sweeps of the scheduled validation
    Registry,
}

/// Options of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this part
    #[arg(value_enum)]
    part: Option<Part>,
    /// Also writes the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// In minutes: shorter rounds, small tables, the same ratios
    #[arg(long)]
    quick: bool,
    /// With `spin`, measures Postern on Spin's test host, too, in the same run
    #[arg(long, value_enum, default_value_t = Runtime::Workerd)]
    runtime: Runtime,
    /// Further options of the load generator, after `--` (`-- --help` lists them)
    #[arg(last = true)]
    more: Vec<String>,
}

/// Soaks Postern on workerd for so many minutes.
pub(crate) fn soak(minutes: f64) -> Result<()> {
    let tools = Tools::open()?;
    let mut bench = load_generator(&tools)?;
    process::run(bench.arg("--soak").arg(minutes.to_string()), "the soak")
}

/// Builds the Worker and the load generator.
fn load_generator(tools: &Tools) -> Result<Command> {
    tools.for_build()?;
    build::worker(tools, &workspace::worker_crate())?;
    let step = console::step("cargo build of the load generator");
    let mut bench = Command::new(build::fast_host_program("bench")?);
    step.done();
    bench
        .current_dir(workspace::root())
        .env("PATH", tools.path())
        .env("POSTERN_NODE", tools.node_program())
        .env("POSTERN_TOOLS", workspace::tools_dir().join("node_modules"))
        .env("POSTERN_BUILD", workspace::worker_crate().join("build"));
    Ok(bench)
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    let mut bench = load_generator(&tools)?;
    let spin_host = (args.runtime == Runtime::Spin).then(build::fast_spin_host).transpose()?;
    if let Some(host) = spin_host {
        bench.arg("--spin-host").arg(host);
    }
    match args.part {
        None => {}
        Some(Part::Gateway) => drop(bench.arg("gateway")),
        Some(Part::Registry) => drop(bench.arg("registry")),
    }
    if args.quick {
        bench.arg("--quick");
    }
    if let Some(file) = &args.json {
        // The load generator runs in the workspace's root; the file belongs where the user is.
        let file = std::path::absolute(file).with_context(|| format!("bad path {}", file.display()))?;
        bench.arg("--json").arg(file);
    }
    process::run(bench.args(&args.more), "the benchmark")
}
