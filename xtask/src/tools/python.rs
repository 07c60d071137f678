//! The Python packages that Postern is tested with: a virtual environment with them, and the source of the reference
//! SDK, which holds the conformance fixture.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cache::Cache;
use crate::console;
use crate::fs_ext;
use crate::process;

/// The file that is written last: a folder that has this file is complete.
const MARKER: &str = "complete";
/// Every package in its one version, in the folder of the peers.
const REQUIREMENTS: &str = "requirements.txt";

/// Python with the packages.
pub(crate) struct Python {
    folder: PathBuf,
    /// The version of the reference SDK.
    version: String,
}

impl Python {
    /// The interpreter of the virtual environment.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }

    /// The unpacked source distribution of the reference SDK.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.join(format!("mcp-{}", self.version))
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

/// Finds the packages in the cache, or installs them there: exactly those that `requirements.txt` in `peers` names.
pub(super) fn ensure(cache: &Cache, peers: &Path) -> Result<Python> {
    let requirements = peers.join(REQUIREMENTS);
    let text = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let version = pinned(&text, "mcp").with_context(|| format!("{REQUIREMENTS} names no version of mcp"))?;
    let hash = fs_ext::sha256(&[text.as_bytes()]);
    let name = format!("python-{}", hash.get(..16).unwrap_or_default());
    let folder = cache.ensure(&name, Path::new(MARKER), |folder| {
        check_python()?;
        let venv = folder.join("venv");
        let python = venv.join("bin/python");
        console::note("creating the virtual environment");
        process::run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&venv), "python3 -m venv")?;
        console::note(format!("pip install of {REQUIREMENTS}"));
        pip(&python, folder, &["install", "--quiet", "--requirement", &requirements.to_string_lossy()])?;
        console::note("fetching the source distribution of mcp");
        let mcp = format!("mcp=={version}");
        pip(&python, folder, &["download", "--quiet", "--no-deps", "--no-binary", "mcp", &mcp])?;
        let archive = format!("mcp-{version}.tar.gz");
        let mut unpack = Command::new(&python);
        unpack.args(["-m", "tarfile", "-e", &archive, "."]).current_dir(folder);
        process::run_quietly(&mut unpack, "unpacking the source of mcp")?;
        std::fs::remove_file(folder.join(&archive)).with_context(|| format!("no {archive}"))?;
        std::fs::write(folder.join(MARKER), &version)?;
        Ok(())
    })?;
    Ok(Python { folder, version })
}

/// The version to which a text in the format of pip's requirements pins a package.
fn pinned(requirements: &str, package: &str) -> Option<String> {
    let mut pins = requirements.lines().filter_map(|line| line.split_once("=="));
    pins.find(|(name, _)| *name == package).map(|(_, version)| version.trim().to_owned())
}

fn pip(python: &Path, folder: &Path, args: &[&str]) -> Result<()> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]).args(args).current_dir(folder);
    process::run_quietly(&mut pip, &format!("pip {}", args.first().copied().unwrap_or_default()))
}

fn check_python() -> Result<()> {
    const REMEDY: &str = "install Python 3.11 or newer with its venv module (Debian and Ubuntu: \
                          `apt-get install python3 python3-venv`, macOS: `brew install python`)";
    let check = "import sys; assert sys.version_info >= (3, 11), sys.version; import venv, ensurepip";
    if let Err(error) = process::output(Command::new("python3").args(["-c", check])) {
        bail!("python3 cannot be used ({error:#}): {REMEDY}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_found_by_the_whole_name() {
        let requirements = "# pinned\nmcp-types==1.0\nmcp==2.3.0\nflask==3.1.3\n";
        assert_eq!(pinned(requirements, "mcp").as_deref(), Some("2.3.0"));
        assert_eq!(pinned(requirements, "mc"), None);
    }
}
