//! `cargo xtask conformance server|client`: the official MCP conformance suite against Postern.
//!
//! As a server, Postern stands before the Python reference server, with no tool renamed. As a client, Postern is
//! driven by `tests/conformance/drive.mjs` against the suite's mock servers. Failures that are known are listed in
//! `tests/conformance/expected-failures`; the suite refuses a new failure as well as an entry that now passes.

mod suite;

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use self::suite::Side;
use super::build;
use crate::console;
use crate::gateway::{self, Gateway};
use crate::http;
use crate::process::{Service, free_port};
use crate::runtime::Runtime;
use crate::tools::{Python, Tools};
use crate::workspace;

/// The client identifier that the suite expects where an authorization server takes URLs. The suite never fetches it.
const CLIENT_METADATA_URL: &str = "https://conformance-test.local/client-metadata.json";

/// Options of `conformance`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The part that Postern plays
    #[arg(value_enum)]
    side: Side,
    /// Requirements of this revision only (default: each revision in turn)
    #[arg(long, value_enum)]
    requirements: Option<Revision>,
    /// Runtime that Postern runs on
    #[arg(long, value_enum, default_value_t = Runtime::Workerd)]
    runtime: Runtime,
}

#[derive(Clone, Copy, ValueEnum)]
enum Revision {
    /// The last revision with a handshake
    #[value(name = "2025-11-25")]
    Legacy,
    /// The stateless revision
    #[value(name = "2026-07-28")]
    Modern,
}

impl Revision {
    fn name(self) -> &'static str {
        match self {
            Self::Legacy => "2025-11-25",
            Self::Modern => "2026-07-28",
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    let python = tools.for_conformance()?;
    build::postern(&tools, args.runtime)?;
    let revisions = args.requirements.map_or_else(|| Revision::value_variants().to_vec(), |one| vec![one]);
    legs(&tools, &python, args.side, args.runtime, &revisions)
}

/// Runs both parts at every revision, with a Postern that is built already.
pub(crate) fn everything(tools: &Tools, python: &Python, runtime: Runtime) -> Result<()> {
    for side in Side::value_variants() {
        legs(tools, python, *side, runtime, Revision::value_variants())?;
    }
    Ok(())
}

fn legs(tools: &Tools, python: &Python, side: Side, runtime: Runtime, revisions: &[Revision]) -> Result<()> {
    let legs: Vec<suite::Leg> = match side {
        Side::Server => as_server(tools, python, runtime, revisions)?,
        Side::Client => as_client(tools, runtime, revisions)?,
    };
    if legs.iter().any(|leg| !leg.as_expected) {
        bail!("the results differ from tests/conformance/expected-failures (see above)");
    }
    Ok(())
}

fn as_server(
    tools: &Tools,
    python: &Python,
    runtime: Runtime,
    revisions: &[Revision],
) -> Result<Vec<suite::Leg>> {
    let step = console::step("start the reference server, Postern before it, and a proxy that adds the key");
    let upstream_port = free_port()?;
    let mut reference =
        Service::start("the reference server", &mut python.everything_server(upstream_port), false)?;
    reference.wait_until(Duration::from_secs(30), || http::listens(upstream_port))?;
    // The suite calls Postern by the proxy's address, so that address must be Postern's public URL.
    let proxy_port = free_port()?;
    let gateway =
        gateway::start(tools, runtime, &[("PUBLIC_URL", &format!("http://127.0.0.1:{proxy_port}"))])?;
    let integration =
        gateway.postern.register("Conformance", &format!("http://127.0.0.1:{upstream_port}/mcp"))?;
    gateway.postern.validate(&integration)?;
    let mut proxy = Service::start("the proxy", &mut proxy_command(tools, &gateway, proxy_port), false)?;
    proxy.wait_until(Duration::from_secs(10), || http::listens(proxy_port))?;
    step.done();
    let url = format!("http://127.0.0.1:{proxy_port}/integrations/{}/mcp", integration.slug);
    revisions
        .iter()
        .map(|revision| {
            suite::run(tools, Side::Server, runtime, revision.name(), |command| {
                command.args(["--url", &url]);
            })
        })
        .collect()
}

/// The command of a proxy that adds the API key, since the suite cannot send headers of its own.
fn proxy_command(tools: &Tools, gateway: &Gateway, port: u16) -> Command {
    let mut command = tools.node(workspace::peers_dir().join("shim.mjs"));
    command.arg(port.to_string()).arg(&gateway.postern.origin).env("POSTERN_KEY", &gateway.postern.key);
    command
}

fn as_client(tools: &Tools, runtime: Runtime, revisions: &[Revision]) -> Result<Vec<suite::Leg>> {
    let step = console::step("start Postern");
    let gateway = gateway::start(tools, runtime, &[("OAUTH_CLIENT_METADATA_URL", CLIENT_METADATA_URL)])?;
    step.done();
    // The suite hands the command to a shell; the driver's path travels apart from it, as it may hold blanks.
    revisions
        .iter()
        .map(|revision| {
            suite::run(tools, Side::Client, runtime, revision.name(), |command| {
                command
                    .args(["--command", "node drive.mjs", "--timeout", "90000"])
                    .current_dir(workspace::conformance_dir())
                    .env("POSTERN_URL", &gateway.postern.origin)
                    .env("POSTERN_KEY", &gateway.postern.key);
            })
        })
        .collect()
}
