//! `bench`: what Postern costs. One run on one machine, the same upstream and the same load for all: straight to the
//! upstream, through an empty pass-through Worker (the floor of the runtime), and through Postern, on workerd and, when
//! asked to, on Spin's test host. Then the registry, against the same SQL without Postern.

// A native tool may read the clock; the ban is for code that also runs on wasm32-unknown-unknown. Its figures are
// counts and times far below the limits of f64.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod args;
mod cold;
mod http_client;
mod load;
mod machine;
mod measure;
mod postern;
mod processes;
mod registry;
mod report;
mod size;
mod soak;
mod target;

use anyhow::{Context as _, Result, ensure};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    // The upstream runs in a process of its own, as a real one would: this program once more.
    if arguments.next_if(|argument| argument == processes::UPSTREAM_COMMAND).is_some() {
        return processes::serve_upstream();
    }
    let args = args::read(arguments)?;
    // One thread for the load is enough, and leaves the other cores to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(length) = args.soak {
        return runtime.block_on(soak::run(&args, length)).map(drop);
    }
    let mut report = report::Report::default();
    let outcome = runtime.block_on(run(&args, &mut report));
    // What was measured before a part failed is worth its minutes.
    print!("{}", report.table());
    if let Some(file) = &args.json {
        std::fs::write(file, format!("{:#}\n", report.json()))?;
        println!("\nWritten to {}", file.display());
    }
    outcome?;
    ensure!(report.errors() == 0, "{} requests were answered wrongly", report.errors());
    Ok(())
}

/// Measures what `args` ask for, and writes each figure into `report` once it is known.
async fn run(args: &args::Args, report: &mut report::Report) -> Result<()> {
    report.quick = args.quick;
    report.machine = machine::describe(args).await?;
    report.size = if args.floor_only { None } else { Some(size::measure(&args.build)?) };
    if args.spin_host.is_some() {
        report.components = size::components(&args.root.join("spin.toml"))?;
    }
    if args.measures("gateway") {
        let warm = measure::run(args).await.context("the gateway")?;
        report.cold = cold::run(args, &warm.state).await?;
        report.measured = warm.measured;
        report.memory = warm.memory;
        report.audit = warm.audit;
    }
    // The registry is all about Postern.
    if args.measures("registry") && !args.floor_only {
        report.registry = Some(registry::run(args).await.context("the registry")?);
    }
    Ok(())
}
