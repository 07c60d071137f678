//! The tools that building and testing need; each is installed when it is first needed, once per version and machine.

mod cache;
mod cargo_tool;
mod chromium;
mod node;
mod npm;
mod python;
mod rust;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::workspace;
pub(crate) use python::Python;

/// Versions of the tools that no lock file names. worker and worker-build move together.
mod versions {
    pub(super) const WORKER_BUILD: &str = "0.8.7";
    /// The oldest Node that wrangler, the conformance suite and the Inspector accept.
    pub(super) const NODE_LEAST: (u32, u32) = (22, 19);
}

/// Access to the tools, with a new enough Node already in place.
pub(crate) struct Tools {
    cache: cache::Cache,
    node: node::Node,
}

/// What Postern is tested with on real runtimes.
pub(crate) struct Peers {
    /// Python with packages of clients and servers.
    pub(crate) python: Python,
    /// The program of a Chromium.
    pub(crate) chromium: PathBuf,
}

/// Makes sure of the compiler for each target: all that linting and unit tests need.
pub(crate) fn compilers() -> Result<()> {
    rust::check_host()?;
    rust::ensure_targets()
}

impl Tools {
    /// Checks for the programs that must be installed already, and finds or installs Node.
    pub(crate) fn open() -> Result<Self> {
        rust::check_host()?;
        let cache = cache::Cache::open()?;
        let node = node::ensure(&cache)?;
        Ok(Self { cache, node })
    }

    /// Everything that `build`, `dev` and `deploy` need.
    pub(crate) fn for_build(&self) -> Result<()> {
        rust::ensure_targets()?;
        self.npm_tools()?;
        self.worker_build()?;
        self.wasm_bindgen()?;
        Ok(())
    }

    /// Everything that `conformance` needs on top of that.
    pub(crate) fn for_conformance(&self) -> Result<Python> {
        npm::ensure(&self.node, &workspace::peers_dir())?;
        python::ensure(&self.cache, &workspace::peers_dir())
    }

    /// Everything that `test` needs on top of that.
    pub(crate) fn for_test(&self) -> Result<Peers> {
        let python = self.for_conformance()?;
        Ok(Peers { python, chromium: chromium::ensure(&self.cache, &self.node, &workspace::peers_dir())? })
    }

    /// The `node` program.
    pub(crate) fn node_program(&self) -> PathBuf {
        self.node.program()
    }

    /// A command that runs a script with Node; programs it starts find the same Node first.
    pub(crate) fn node(&self, script: impl Into<PathBuf>) -> Command {
        let mut command = Command::new(self.node.program());
        command.arg(script.into()).env("PATH", self.node.path());
        command
    }

    /// `PATH` with the new enough Node first.
    pub(crate) fn path(&self) -> std::ffi::OsString {
        self.node.path()
    }

    /// Installs wrangler, miniflare, binaryen, esbuild and the demo's MCP server beside xtask.
    pub(crate) fn npm_tools(&self) -> Result<()> {
        npm::ensure(&self.node, &workspace::tools_dir())
    }

    /// The `worker-build` program.
    pub(crate) fn worker_build(&self) -> Result<PathBuf> {
        cargo_tool::ensure(&self.cache, "worker-build", versions::WORKER_BUILD, "worker-build")
    }

    /// The `wasm-bindgen` program, of exactly the version in `Cargo.lock`.
    pub(crate) fn wasm_bindgen(&self) -> Result<PathBuf> {
        let version = cargo_tool::locked_version("wasm-bindgen")?;
        cargo_tool::ensure(&self.cache, "wasm-bindgen-cli", &version, "wasm-bindgen")
    }

    /// The runner that executes WASM tests under Node.
    pub(crate) fn wasm_bindgen_test_runner(&self) -> Result<PathBuf> {
        Ok(self.wasm_bindgen()?.with_file_name("wasm-bindgen-test-runner"))
    }
}

/// A program of `xtask/tools/node_modules`.
pub(crate) fn npm_program(script: &str) -> PathBuf {
    workspace::tools_dir().join("node_modules").join(script)
}
