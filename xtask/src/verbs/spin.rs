//! `cargo xtask spin`: builds the components and runs them with `spin up`, if a new enough Spin is installed.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::build;
use crate::console;
use crate::devvars::{ANONYMOUS, Secrets};
use crate::process::Service;
use crate::tools::Tools;
use crate::workspace;

/// The first Spin that runs WASI 0.3.0 components.
const OLDEST: (u32, u32) = (4, 1);

/// Options of `spin`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Loopback port to listen on
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Only builds the components
    #[arg(long)]
    build_only: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    build::components()?;
    if args.build_only {
        return Ok(());
    }
    check_version()?;
    up(args.port, false)
}

/// Runs `spin up` until it ends or Ctrl-C stops it. With `anonymous`, callers need no key and are administrators.
pub(crate) fn up(port: u16, anonymous: bool) -> Result<()> {
    let mut command = Command::new("spin");
    command.args(["up", "--listen", &format!("127.0.0.1:{port}")]).current_dir(workspace::root());
    if std::env::var_os("SPIN_VARIABLE_ENCRYPTION_KEY").is_none() {
        let secrets = Secrets::generate()?;
        console::note("SPIN_VARIABLE_ENCRYPTION_KEY is not set: using fresh secrets, good for this run only");
        println!("Admin key: {}", secrets.admin_key);
        command
            .env("SPIN_VARIABLE_ENCRYPTION_KEY", secrets.encryption_key)
            .env("SPIN_VARIABLE_BOOTSTRAP_ADMIN_KEY", secrets.admin_key)
            .env("SPIN_VARIABLE_ALLOW_LOOPBACK_UPSTREAMS", "true")
            // A database that was made with other secrets cannot be used with fresh ones.
            .args(["--state-dir", &workspace::target_dir().join("spin-state").display().to_string()]);
        crate::fs_ext::remove_dir(&workspace::target_dir().join("spin-state"))?;
    }
    if anonymous {
        let (name, persona) = ANONYMOUS;
        command.env(format!("SPIN_VARIABLE_{name}"), persona);
        if std::env::var_os("SPIN_VARIABLE_PUBLIC_URL").is_none() {
            command.env("SPIN_VARIABLE_PUBLIC_URL", format!("http://127.0.0.1:{port}"));
        }
    }
    println!("Postern runs at http://127.0.0.1:{port}. Ctrl-C stops it.");
    let status = Service::start("spin up", &mut command, true)?.wait()?;
    crate::process::yield_to_signal();
    bail!("spin up ended by itself ({status})")
}

/// Checks that a Spin that can run the components is on PATH.
pub(crate) fn check_version() -> Result<()> {
    let remedy = "get Spin 4.1 or newer from spinframework.dev (docs/spin.md); the components are built";
    let output =
        Command::new("spin").arg("--version").output().with_context(|| format!("no `spin`: {remedy}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match version(&text) {
        Some(found) if found >= OLDEST => Ok(()),
        _ => bail!("`spin --version` says {:?}: {remedy}", text.trim()),
    }
}

/// Major and minor number out of `spin 4.1.0 (abc 2026-09-01)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version() {
        assert_eq!(version("spin 4.1.0-pre0 (94a8fc8 2026-08-21)\n"), Some((4, 1)));
        assert_eq!(version("spin 3.5.1 (x)"), Some((3, 5)));
        assert_eq!(version("command not found"), None);
        assert!((4, 0) < OLDEST && (5, 0) > OLDEST);
    }
}
