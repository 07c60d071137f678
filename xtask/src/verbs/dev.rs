//! `cargo xtask dev`: Postern on this machine through `wrangler dev`, with a database that outlives the run.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::build;
use crate::api::Postern;
use crate::console;
use crate::devvars::{ANONYMOUS, DevVars};
use crate::gateway;
use crate::http;
use crate::mcp;
use crate::process::{self, Service};
use crate::runtime::Runtime;
use crate::tools::{Tools, npm_program};
use crate::workspace;
use crate::wrangler;

/// The name that the demo's upstream is registered under; its tools are `everything__…`.
const DEMO_NAME: &str = "Everything";
/// The port that is preferred for the demo's upstream, so that the registered URL stays the same from run to run.
const DEMO_PORT: u16 = 8788;

/// The Inspector that Postern is tested with.
const INSPECTOR: &str = "2.12.0";

/// Options of `dev`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also starts an MCP server, registers it and calls its `echo` tool through Postern
    #[arg(long)]
    demo: bool,
    /// After the demo, stops everything; fails when the answer is wrong
    #[arg(long, requires = "demo")]
    check: bool,
    /// Loopback port to listen on
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Lets callers on this machine in without a key, as administrators, by the setting `ANONYMOUS_PERSONA`
    #[arg(long)]
    anonymous: bool,
    /// Runtime to run on
    #[arg(long, value_enum, default_value_t = Runtime::Workerd)]
    runtime: Runtime,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match args.runtime {
        Runtime::Workerd => on_workerd(args),
        Runtime::Spin => on_spin(args),
    }
}

/// On Spin: the demo runs on the test host, since `spin` may not be installed; otherwise `spin up` runs Postern.
fn on_spin(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    if !args.demo {
        build::components()?;
        super::spin::check_version()?;
        return super::spin::up(args.port, args.anonymous);
    }
    build::postern(&tools, Runtime::Spin)?;
    let more: &[_] = if args.anonymous { &[ANONYMOUS] } else { &[] };
    let gateway = gateway::start(&tools, Runtime::Spin, more)?;
    introduce(&gateway.postern)?;
    let mut upstream = demo(&tools, &gateway.postern)?;
    if args.check {
        console::note("the answer is right; stopping everything");
        return Ok(());
    }
    println!("\nThis is the test host; its data is gone at the end. Ctrl-C stops it.");
    let status = upstream.wait()?;
    process::yield_to_signal();
    bail!("server-everything ended by itself ({status})")
}

fn on_workerd(args: &Args) -> Result<()> {
    if !process::port_is_free(args.port) {
        bail!("port {0} on 127.0.0.1 is taken: stop what uses it or choose another with --port", args.port);
    }
    let tools = Tools::open()?;
    tools.for_build()?;
    build::worker(&tools, &workspace::worker_crate())?;
    let vars = settings(args.port)?;
    migrate(&tools)?;
    let step = console::step(format!("wrangler dev on port {}", args.port));
    let mut server = serve(&tools, args)?;
    let postern = Postern {
        origin: format!("http://127.0.0.1:{}", args.port),
        key: vars.get("BOOTSTRAP_ADMIN_KEY").unwrap_or_default().to_owned(),
    };
    let health = format!("{}/health", postern.origin);
    server.wait_until(Duration::from_mins(1), || http::send("GET", &health, &[], None).is_ok())?;
    postern.health()?;
    step.done();
    introduce(&postern)?;
    let _upstream = args.demo.then(|| demo(&tools, &postern)).transpose()?;
    if args.check {
        console::note("the answer is right; stopping everything");
        return Ok(());
    }
    println!("\nCtrl-C stops it.");
    let status = server.wait()?;
    process::yield_to_signal();
    bail!("wrangler dev ended by itself ({status})")
}

/// The settings in `.dev.vars`. Without that file, one is written with fresh secrets.
fn settings(port: u16) -> Result<DevVars> {
    let path = workspace::root().join(".dev.vars");
    if let Some(mut vars) = DevVars::read(&path)? {
        vars.follow_port(port)?;
        return Ok(vars);
    }
    console::note("writing .dev.vars with fresh secrets");
    set_old_state_aside()?;
    DevVars::create(&path, port)
}

/// Renames a database that was made with secrets that are gone: its admin key is unknown, and its credentials cannot be
/// opened.
fn set_old_state_aside() -> Result<()> {
    let state = workspace::root().join(".wrangler/state");
    if state.exists() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let aside = PathBuf::from(format!("{}-{now}", state.display()));
        std::fs::rename(&state, &aside).with_context(|| format!("cannot move {}", state.display()))?;
        console::note(format!("the local database of the earlier secrets is now {}", aside.display()));
    }
    Ok(())
}

fn migrate(tools: &Tools) -> Result<()> {
    let step = console::step("apply the migrations to the local database");
    let mut command = wrangler::local(tools);
    command.args(["d1", "migrations", "apply", "DB", "--local"]);
    process::run_quietly(&mut command, "wrangler d1 migrations apply")?;
    step.done();
    Ok(())
}

fn serve(tools: &Tools, args: &Args) -> Result<Service> {
    let port = args.port.to_string();
    let mut command = wrangler::local(tools);
    command.args(["dev", "--ip", "127.0.0.1", "--port", &port, "--inspector-port", "0"]);
    command.args(["--show-interactive-dev-session", "false"]);
    if args.anonymous {
        let (name, persona) = ANONYMOUS;
        command.args(["--var", &format!("{name}:{persona}")]);
    }
    Service::start("wrangler dev", &mut command, !args.check)
}

fn introduce(postern: &Postern) -> Result<()> {
    println!("\nPostern runs at {}", postern.origin);
    if postern.key.is_empty() || !postern.accepts_key()? {
        println!("Its database does not know the admin key in .dev.vars. Use a key that you made, or remove");
        println!(".dev.vars and start again for a fresh database.");
        return Ok(());
    }
    let Postern { origin, key } = postern;
    println!("Admin key: {key}");
    println!("\nClient configuration (Cursor and every client that reads the same form):");
    println!("{{ \"mcpServers\": {{ \"postern\": {{ \"type\": \"http\", \"url\": \"{origin}/mcp\",");
    println!("    \"headers\": {{ \"Authorization\": \"Bearer {key}\" }} }} }} }}");
    println!("\nClaude Code:");
    println!("claude mcp add --transport http postern {origin}/mcp --header \"Authorization: Bearer {key}\"");
    println!("\nMCP Inspector:");
    println!(
        "npx @modelcontextprotocol/inspector@{INSPECTOR} --cli --server-url {origin}/mcp --transport http \\"
    );
    println!("    --header \"Authorization: Bearer {key}\" --method tools/list");
    Ok(())
}

/// Starts an upstream, registers it and calls its tool. The upstream runs until the service is dropped.
fn demo(tools: &Tools, postern: &Postern) -> Result<Service> {
    let step = console::step("demo: an MCP server behind Postern");
    let port = if process::port_is_free(DEMO_PORT) { DEMO_PORT } else { process::free_port()? };
    let mut command = tools.node("--require");
    command
        .arg(workspace::peers_dir().join("loopback.cjs"))
        .arg(npm_program("@modelcontextprotocol/server-everything/dist/index.js"))
        .arg("streamableHttp")
        .env("PORT", port.to_string())
        .env("POSTERN_LEAVE_WITH_STDIN", "1");
    let mut upstream = Service::start("server-everything", &mut command, false)?;
    upstream.wait_until(Duration::from_secs(30), || http::listens(port))?;
    let url = format!("http://127.0.0.1:{port}/mcp");
    console::note(format!("server-everything listens at {url}"));

    let integration = postern.register(DEMO_NAME, &url)?;
    postern.validate(&integration)?;
    console::note(format!("registered as \"{}\" and validated", integration.slug));

    let tool = format!("{}__echo", integration.slug);
    let message = "hello through Postern";
    let result = mcp::call_tool(
        &format!("{}/mcp", postern.origin),
        &postern.key,
        &tool,
        &json!({ "message": message }),
    )?;
    let text = mcp::text_of(&result)?;
    console::note(format!("{tool} {{\"message\": \"{message}\"}}"));
    console::note(format!("→ {text}"));
    if text != format!("Echo: {message}") {
        bail!("{tool} answered {text:?} instead of \"Echo: {message}\"");
    }
    step.done();
    Ok(upstream)
}
