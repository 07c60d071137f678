//! The Python reference SDK: a virtual environment and its source, which holds the conformance fixture.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cache::Cache;
use super::versions;
use crate::console;
use crate::process;

/// The file that is written last: a folder that has this file is complete.
const MARKER: &str = "complete";

/// Python with the `mcp` package.
pub(crate) struct Python {
    folder: PathBuf,
}

impl Python {
    /// The interpreter of the virtual environment.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }

    /// The unpacked source distribution.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.join(format!("mcp-{}", versions::PYTHON_MCP))
    }

    /// A command that serves the reference "everything" server on a loopback port, at `/mcp`.
    pub(crate) fn everything_server(&self, port: u16) -> Command {
        let mut command = Command::new(self.program());
        command
            .args(["-m", "mcp_everything_server", "--log-level", "WARNING", "--port"])
            .arg(port.to_string())
            .current_dir(self.source().join("examples/servers/everything-server"));
        command
    }
}

/// Finds the SDK in the cache, or installs it there.
pub(super) fn ensure(cache: &Cache) -> Result<Python> {
    let version = versions::PYTHON_MCP;
    let folder = cache.ensure(&format!("python-mcp-{version}"), Path::new(MARKER), |folder| {
        check_python()?;
        let venv = folder.join("venv");
        let python = venv.join("bin/python");
        console::note("creating the virtual environment");
        process::run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&venv), "python3 -m venv")?;
        let requirement = format!("mcp=={version}");
        console::note(format!("pip install {requirement}"));
        pip(&python, folder, &["install", "--quiet", &requirement])?;
        console::note("fetching its source distribution");
        pip(&python, folder, &["download", "--quiet", "--no-deps", "--no-binary", "mcp", &requirement])?;
        let archive = format!("mcp-{version}.tar.gz");
        let mut unpack = Command::new(&python);
        unpack.args(["-m", "tarfile", "-e", &archive, "."]).current_dir(folder);
        process::run_quietly(&mut unpack, "unpacking the source of mcp")?;
        std::fs::remove_file(folder.join(&archive)).with_context(|| format!("no {archive}"))?;
        std::fs::write(folder.join(MARKER), version)?;
        Ok(())
    })?;
    Ok(Python { folder })
}

fn pip(python: &Path, folder: &Path, args: &[&str]) -> Result<()> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]).args(args).current_dir(folder);
    process::run_quietly(&mut pip, &format!("pip {}", args.first().copied().unwrap_or_default()))
}

fn check_python() -> Result<()> {
    const REMEDY: &str = "install Python 3.10 or newer with its venv module (Debian and Ubuntu: \
                          `apt-get install python3 python3-venv`, macOS: `brew install python`)";
    let check = "import sys; assert sys.version_info >= (3, 10), sys.version; import venv, ensurepip";
    if let Err(error) = process::output(Command::new("python3").args(["-c", check])) {
        bail!("python3 cannot be used ({error:#}): {REMEDY}");
    }
    Ok(())
}
