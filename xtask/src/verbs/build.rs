//! `cargo xtask build`: compiles a Worker crate with worker-build and the pinned tools, or the Spin components with
//! plain cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::console;
use crate::fs_ext;
use crate::process;
use crate::runtime::Runtime;
use crate::tools::{Tools, npm_program};
use crate::wasm;
use crate::workspace;

/// The module that worker-build makes, in the crate's folder.
const WASM: &str = "build/index_bg.wasm";
const SCRIPT: &str = "build/index.js";
/// The hash of the input and the output of the last build.
const STAMP: &str = "build/.stamp";

/// Components for tests: the port suite, and what the tests of the test host run.
const TEST_COMPONENTS: [&str; 2] = ["port-suite-spin", "spin-host-fixture"];
/// The test host.
const SPIN_HOST: &str = "spin-host";

/// Options of `build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Runtime to build for
    #[arg(long, value_enum, default_value_t = Runtime::Workerd)]
    runtime: Runtime,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    match args.runtime {
        Runtime::Workerd => worker(&tools, &workspace::worker_crate()),
        Runtime::Spin => components(),
    }
}

/// Builds what `runtime` needs to run Postern on this machine: the Worker, or the components and the test host.
pub(crate) fn postern(tools: &Tools, runtime: Runtime) -> Result<()> {
    match runtime {
        Runtime::Workerd => worker(tools, &workspace::worker_crate()),
        Runtime::Spin => {
            components()?;
            spin_host()
        }
    }
}

/// Builds the port suite as a Worker.
pub(crate) fn port_suite_worker(tools: &Tools) -> Result<()> {
    worker(tools, &workspace::port_suite_crate())
}

/// Builds every function as a Spin component.
///
/// One command for all of them, so that their last steps, which use one core each, run side by side. Selected together,
/// they share the features that one of them asks for: today all ask for the same.
pub(crate) fn components() -> Result<()> {
    cargo_components(&workspace::functions()?, &[])
}

/// Builds the functions and what else tests run on Spin.
pub(crate) fn components_for_tests() -> Result<()> {
    cargo_components(&workspace::functions()?, &TEST_COMPONENTS)
}

fn cargo_components(functions: &[String], more: &[&str]) -> Result<()> {
    let packages: Vec<&str> = functions.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let step = console::step(format!("cargo build --target wasm32-wasip2 of {}", packages.join(", ")));
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--profile", "component", "--target", "wasm32-wasip2"]);
    cargo.args(packages.iter().flat_map(|package| ["--package", package])).current_dir(workspace::root());
    process::run(&mut cargo, "cargo build of the components")?;
    step.done();
    Ok(())
}

/// Builds the components, and the test host with optimizations, so that the host does not slow a measurement down.
/// Returns the host's program.
pub(crate) fn fast_spin_host() -> Result<PathBuf> {
    components()?;
    let step =
        console::step("cargo build of the Spin test host, optimized (a quarter of an hour the first time)");
    let program = fast_host_program(SPIN_HOST)?;
    step.done();
    Ok(program)
}

/// Builds the double of Spin's host interfaces that tests and measurements run on.
fn spin_host() -> Result<()> {
    let step =
        console::step("cargo build of the Spin test host (wasmtime takes some minutes the first time)");
    host_program(SPIN_HOST)?;
    step.done();
    Ok(())
}

/// Builds a program of this repository for this machine, out of the crates that the tests are built of; its path.
pub(crate) fn host_program(name: &str) -> Result<PathBuf> {
    cargo_host_program(name, "dev")?;
    Ok(workspace::program(name))
}

/// The same, optimized for measurements.
pub(crate) fn fast_host_program(name: &str) -> Result<PathBuf> {
    const PROFILE: &str = "bench-tools";
    cargo_host_program(name, PROFILE)?;
    std::path::absolute(workspace::target_dir().join(PROFILE).join(name)).context("no absolute path")
}

fn cargo_host_program(name: &str, profile: &str) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--profile", profile]).args(workspace::FOR_HOST).args(["--bin", name]);
    process::run(cargo.current_dir(workspace::root()), &format!("cargo build of {name}"))
}

/// Returns the file of the component that [`components`] builds from `function`.
pub(crate) fn component_file(function: &str) -> PathBuf {
    let name = function.replace('-', "_");
    workspace::target_dir().join("wasm32-wasip2/component").join(name).with_extension("wasm")
}

/// Returns the files that are uploaded as the Worker.
pub(crate) fn worker_files() -> [PathBuf; 2] {
    [WASM, SCRIPT].map(|file| workspace::worker_crate().join(file))
}

/// Builds the Worker crate in `folder` into its `build` folder.
///
/// Optimizing takes far longer than asking cargo whether anything changed, so the steps of worker-build after
/// compiling are skipped when their input and their output are those of the last build.
pub(crate) fn worker(tools: &Tools, folder: &Path) -> Result<()> {
    let place = folder.strip_prefix(workspace::root()).unwrap_or(folder).display().to_string();
    let step = console::step(format!("worker-build --release in {place}"));
    let wasm = compile(tools, folder, &place)?;
    if stamp(tools, folder, &wasm).is_ok_and(|stamp| read_stamp(folder).as_ref() == Some(&stamp)) {
        console::note(format!("{place}/build is up to date"));
        step.done();
        return Ok(());
    }
    let mut command = Command::new(tools.worker_build()?);
    command
        .arg("--release")
        .current_dir(folder)
        .env("PATH", tools.path())
        .env("WASM_BINDGEN_BIN", tools.wasm_bindgen()?)
        .env("WASM_OPT_BIN", npm_program("binaryen/bin/wasm-opt"))
        .env("ESBUILD_BIN", npm_program("esbuild/bin/esbuild"))
        // The handler's promise goes to `waitUntil`: without that the runtime stops the handler when the client leaves.
        .env("RUN_TO_COMPLETION", "1");
    process::run(&mut command, &format!("worker-build in {place}"))?;
    let script = std::fs::read_to_string(folder.join(SCRIPT))?;
    ensure!(script.contains("this.ctx.waitUntil("), "worker-build does not know RUN_TO_COMPLETION any more");
    set_names_aside(folder)?;
    std::fs::write(folder.join(STAMP), stamp(tools, folder, &wasm)?)?;
    let size = folder.join(WASM).metadata()?.len();
    console::note(format!("{place}/{WASM}: {} kB", size / 1000));
    step.done();
    Ok(())
}

/// Takes the names of functions out of the module that worker-build made: they are a tenth of its gzipped size.
///
/// A copy with the names stays in the target directory. A backtrace from workerd then says `wasm-function[123]`, and the
/// copy says which function that is; the message of a panic has its file and line in either case.
fn set_names_aside(folder: &Path) -> Result<()> {
    let path = folder.join(WASM);
    let named = std::fs::read(&path).with_context(|| format!("no {}", path.display()))?;
    let aside = workspace::target_dir().join("names");
    std::fs::create_dir_all(&aside).with_context(|| format!("cannot create {}", aside.display()))?;
    let copy = aside.join(folder.file_name().context("a folder without a name")?).with_extension("wasm");
    std::fs::write(&copy, &named).with_context(|| format!("cannot write {}", copy.display()))?;
    std::fs::write(&path, wasm::without_names(&named)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Compiles with the options that worker-build uses a moment later, and returns the compiled module.
fn compile(tools: &Tools, folder: &Path, place: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--lib", "--release", "--target", "wasm32-unknown-unknown"])
        .current_dir(folder)
        .env("PATH", tools.path())
        // worker-build sets this variable too; without it, each would rebuild what the other has built.
        .env("WASM_BINDGEN_USE_JS_SYS", "1");
    process::run(&mut cargo, &format!("cargo build in {place}"))?;
    let name = folder.file_name().context("a folder without a name")?.to_string_lossy().replace('-', "_");
    let target = std::path::absolute(workspace::target_dir())?;
    Ok(target.join("wasm32-unknown-unknown/release").join(name).with_extension("wasm"))
}

/// A hash of the input and the output of worker-build's steps after compiling.
fn stamp(tools: &Tools, folder: &Path, compiled: &Path) -> Result<String> {
    let read = |path: PathBuf| std::fs::read(&path).with_context(|| format!("no {}", path.display()));
    let programs = [tools.worker_build()?, tools.wasm_bindgen()?].map(|path| path.display().to_string());
    let tools_lock = read(workspace::tools_dir().join("package-lock.json"))?;
    // Not that of a module with names, as earlier versions of this tool left it.
    let form = "without names, run to completion";
    let files =
        [read(compiled.to_path_buf())?, read(folder.join(WASM))?, read(folder.join(SCRIPT))?, tools_lock];
    let parts: Vec<&[u8]> = files
        .iter()
        .map(Vec::as_slice)
        .chain(programs.iter().map(String::as_bytes))
        .chain([form.as_bytes()])
        .collect();
    Ok(fs_ext::sha256(&parts))
}

fn read_stamp(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join(STAMP)).ok()
}
