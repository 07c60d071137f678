//! `cargo xtask`: everything that is done with this repository, from setting up the tools to deploying.

// A native tool may read the clock; the ban is for code that also runs on wasm32-unknown-unknown.
#![allow(clippy::disallowed_methods)]

#[cfg(not(unix))]
compile_error!("cargo xtask runs on Linux and macOS; on Windows, use the Linux subsystem (WSL)");

mod api;
mod console;
mod describe;
mod devvars;
mod fs_ext;
mod gateway;
mod http;
mod mcp;
mod modules;
mod process;
mod runtime;
mod steps;
mod tools;
mod verbs;
mod wasm;
mod workspace;
mod wrangler;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, runs, tests, measures and deploys Postern.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs the tools that the other verbs need, each into the user's cache directory
    Setup(verbs::setup::Args),
    /// Compiles the Worker to runtimes/cloudflare/build
    Build(verbs::build::Args),
    /// Runs Postern on this machine, ready to use
    Dev(verbs::dev::Args),
    /// The loop for one change: formatting, lints, unit and whole-router tests
    Check(verbs::check::Args),
    /// Runs every test: formatting, lints, unit, WASM and black-box
    Test(verbs::test::Args),
    /// Runs the official MCP conformance suite
    Conformance(verbs::conformance::Args),
    /// Measures Postern against a direct call and an empty pass-through Worker
    Bench(verbs::bench::Args),
    /// Runs Postern under load for a long time; fails unless memory, audit and answers are right
    Soak(verbs::soak::Args),
    /// Builds the components and runs `spin up`
    Spin(verbs::spin::Args),
    /// Writes docs/openapi.json anew, out of the code
    Openapi(verbs::openapi::Args),
    /// Writes the settings in spin.toml and README.md anew, out of the code
    Manifests(verbs::manifests::Args),
    /// Prints which module of a crate names which other, and the circles that they form
    Modules(verbs::modules::Args),
    /// Builds the Worker and the components and holds their gzipped sizes against limits
    Sizes(verbs::sizes::Args),
    /// Applies the migrations to the remote database and deploys to Cloudflare
    Deploy(verbs::deploy::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = process::stop_everything_on_signal().and_then(|()| run(&cli.verb));
    process::yield_to_signal();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes tell the user what to do; a backtrace of this tool would not.
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Setup(args) => verbs::setup::run(args),
        Verb::Build(args) => verbs::build::run(args),
        Verb::Dev(args) => verbs::dev::run(args),
        Verb::Check(args) => verbs::check::run(args),
        Verb::Test(args) => verbs::test::run(args),
        Verb::Conformance(args) => verbs::conformance::run(args),
        Verb::Bench(args) => verbs::bench::run(args),
        Verb::Soak(args) => verbs::soak::run(args),
        Verb::Spin(args) => verbs::spin::run(args),
        Verb::Openapi(args) => verbs::openapi::run(args),
        Verb::Manifests(args) => verbs::manifests::run(args),
        Verb::Modules(args) => verbs::modules::run(args),
        Verb::Sizes(args) => verbs::sizes::run(args),
        Verb::Deploy(args) => verbs::deploy::run(args),
    }
}
