//! Real agents: each lists the tools of an MCP endpoint and calls one of them, asking for progress.

use std::{fmt, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{environment, rust_agent};

/// The request with which an agent that knows both eras begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The agent sends `initialize`.
    Legacy,
    /// The agent sends `server/discover`, and `initialize` when discovery fails.
    Auto,
    /// The agent speaks the modern era, whatever the server offers.
    Modern,
}

/// An agent in a given mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// npm `@modelcontextprotocol/sdk` 1.32.2, legacy only.
    TypeScript1,
    /// npm `@modelcontextprotocol/client` 2.4.0.
    TypeScript2(Mode),
    /// `mcp` 2.3.0 of the Python package index.
    Python(Mode),
    /// crates.io `rmcp` 3.9.
    Rust(Mode),
    /// npm `@modelcontextprotocol/inspector` 2.12.0, `--cli`.
    Inspector(Mode),
}

/// What an agent is asked to do.
#[derive(Clone, Debug)]
pub struct Task<'t> {
    /// The MCP endpoint.
    pub url: &'t str,
    /// The API key.
    pub key: &'t str,
    /// The tool to call.
    pub tool: &'t str,
    /// The tool's arguments.
    pub arguments: Value,
}

/// What an agent reports after its run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The negotiated revision; `None` when the agent does not report one.
    pub protocol: Option<String>,
    /// The names of the tools, in order.
    pub tools: Vec<String>,
    /// The result of the call.
    pub result: Value,
    /// The progress notifications in order of arrival; `None` when the agent does not report them.
    pub progress: Option<Vec<Progress>>,
}

/// A progress notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The progress so far.
    pub progress: f64,
    /// The total that the progress counts towards.
    pub total: Option<f64>,
}

impl Mode {
    /// The mode as the programs in `tests/peers` take it on their command lines.
    fn argument(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Auto => "auto",
            Self::Modern => "2026-07-28",
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Agent {
    /// The revision that the agent negotiates with a server that speaks both eras.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::TypeScript1 => crate::mcp::LEGACY,
            Self::TypeScript2(mode) | Self::Python(mode) | Self::Rust(mode) | Self::Inspector(mode) => {
                match mode {
                    Mode::Legacy => crate::mcp::LEGACY,
                    Mode::Auto | Mode::Modern => crate::mcp::MODERN,
                }
            }
        }
    }

    /// Lets the agent list the tools and call one. Returns the agent's report.
    pub async fn run(self, task: &Task<'_>) -> Result<Report> {
        match self {
            Self::TypeScript1 => program(node("ts-v1.mjs")?, task, None).await,
            Self::TypeScript2(mode) => program(node("ts-v2.mjs")?, task, Some(mode)).await,
            Self::Python(mode) => {
                let mut command = Command::new(environment::path(environment::PYTHON)?);
                command.arg(environment::path(environment::PEERS)?.join("python_client.py"));
                program(command, task, Some(mode)).await
            }
            Self::Rust(mode) => rust_agent::run(task, mode).await,
            Self::Inspector(mode) => inspector(task, mode).await,
        }
        .with_context(|| format!("{self} at {}", task.url))
    }
}

fn node(program: &str) -> Result<Command> {
    let mut command = Command::new(environment::path(environment::NODE)?);
    command.arg(environment::path(environment::PEERS)?.join(program));
    Ok(command)
}

/// Runs a command and returns the one JSON object that it prints.
async fn output(mut command: Command) -> Result<Value> {
    const LIMIT: Duration = Duration::from_mins(1);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output())
        .await
        .with_context(|| format!("not done within {LIMIT:?}"))??;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {stdout}\n{stderr}", output.status);
    serde_json::from_str(stdout.trim()).with_context(|| format!("not JSON: {stdout}\n{stderr}"))
}

/// Runs one of the programs in `tests/peers` and returns its report.
async fn program(mut command: Command, task: &Task<'_>, mode: Option<Mode>) -> Result<Report> {
    command.args([task.url, task.tool, &task.arguments.to_string()]).env("POSTERN_KEY", task.key);
    if let Some(mode) = mode {
        command.arg(mode.argument());
    }
    let report = output(command).await?;
    let progress = report["progress"].as_array().context("no progress list")?;
    let progress = progress.iter().map(|event| {
        let progress = event["progress"].as_f64().with_context(|| format!("no progress in {event}"))?;
        Ok(Progress { progress, total: event["total"].as_f64() })
    });
    Ok(Report {
        protocol: report["protocol"].as_str().map(str::to_owned),
        tools: names(&report["tools"], |tool| tool.as_str())?,
        result: report["result"].clone(),
        progress: Some(progress.collect::<Result<_>>()?),
    })
}

fn names<'v>(tools: &'v Value, name: impl Fn(&'v Value) -> Option<&'v str>) -> Result<Vec<String>> {
    let tools = tools.as_array().with_context(|| format!("not a list of tools: {tools}"))?;
    tools
        .iter()
        .map(|tool| name(tool).map(str::to_owned).with_context(|| format!("no name in {tool}")))
        .collect()
}

/// The Inspector runs once per method, prints results and no progress, and takes its key from a configuration file
/// (`--header` would show it in the process list).
async fn inspector(task: &Task<'_>, mode: Mode) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("servers.json");
    let era = match mode {
        Mode::Legacy => "legacy",
        Mode::Auto => "auto",
        Mode::Modern => "modern",
    };
    let server = json!({
        "type": "http",
        "url": task.url,
        "headers": {"Authorization": format!("Bearer {}", task.key)},
        "protocolEra": era,
    });
    std::fs::write(&config, json!({"mcpServers": {"postern": server}}).to_string())?;
    let bin = environment::path(environment::PEERS)?.join("node_modules/.bin/mcp-inspector");
    let command = |method: &str, options: &[String]| -> Result<Command> {
        let mut command = Command::new(environment::path(environment::NODE)?);
        command.arg(&bin).arg("--cli").args(["--format", "json", "--server", "postern", "--method", method]);
        command.arg("--config").arg(&config).args(options);
        command
            .env("MCP_STORAGE_DIR", PathBuf::from(folder.path()))
            .env("MCP_AUTO_OPEN_ENABLED", "false")
            .env("MCP_INSPECTOR_SECRET_STORE", "memory");
        Ok(command)
    };
    let list = output(command("tools/list", &[])?).await?;
    let mut options = vec!["--tool-name".to_owned(), task.tool.to_owned()];
    for (name, value) in task.arguments.as_object().into_iter().flatten() {
        options.extend(["--tool-arg".to_owned(), format!("{name}={value}")]);
    }
    let call = output(command("tools/call", &options)?).await?;
    Ok(Report {
        protocol: None,
        tools: names(&list["result"]["tools"], |tool| tool["name"].as_str())?,
        result: call["result"].clone(),
        progress: None,
    })
}
