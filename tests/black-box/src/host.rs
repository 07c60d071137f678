//! A running application on the runtime under test: a Worker on real workerd, over `tests/workerd/run.mjs`, or
//! components on `tests/spin-host`. Both are driven by the same lines of JSON.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    environment,
    process::{Output, Process, lock},
    runtime::Runtime,
};

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Which application.
    pub application: Application,
    /// Its settings.
    pub bindings: BTreeMap<String, String>,
    /// The folder that keeps the data; a temporary folder of this run when absent.
    pub persist: Option<PathBuf>,
    /// Cloudflare's limits where they are not those of a paid plan, see `tests/workerd/run.mjs`. For workerd only.
    pub limits: Option<Value>,
    /// Whether the migrations are left out (on Spin the application applies them itself).
    pub without_migrations: bool,
}

/// An application that was built for the runtime under test.
#[derive(Clone, Copy, Debug, Default)]
pub enum Application {
    /// Postern.
    #[default]
    Postern,
    /// The port conformance suite.
    PortSuite,
    /// `tests/workerd/probe.mjs`, which goes to the limits of Cloudflare and beyond. For workerd only.
    Probe,
}

/// A running application. Its methods may be used from any test's async runtime.
pub struct Host {
    process: Mutex<Process>,
    output: Output,
    url: String,
    pid: u64,
    waiting: Waiting,
    last_id: AtomicU64,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// The id under which the ready line is waited for; commands count from 1.
const READY: u64 = 0;

impl Host {
    /// Starts an application and waits until it accepts requests.
    pub async fn start(runtime: Runtime, start: Start) -> Result<Self> {
        const LIMIT: Duration = Duration::from_mins(1);
        let waiting = Waiting::default();
        let (sender, ready) = oneshot::channel();
        lock(&waiting).insert(READY, sender);

        let (mut command, line) = match runtime {
            Runtime::Workerd => workerd(start)?,
            Runtime::Spin => spin(start)?,
        };
        let dispatcher = Dispatcher(waiting.clone());
        let mut process =
            Process::spawn(runtime.name(), &mut command, move |line| dispatcher.dispatch(&line))?;
        let output = process.output();
        process.write_line(&line.to_string())?;

        let mut pid = u64::from(process.id());
        let url = match tokio::time::timeout(LIMIT, ready).await {
            Ok(Ok(line)) => {
                // Miniflare's process has workerd as its child.
                pid = line["workerd_pid"].as_u64().unwrap_or(pid);
                line["url"].as_str().context("the ready line has no url")?.to_owned()
            }
            Ok(Err(_)) => bail!(process.failure("ended before it was ready")),
            Err(_) => bail!(process.failure(&format!("is not ready after {LIMIT:?}"))),
        };
        Ok(Self { process: Mutex::new(process), output, url, pid, waiting, last_id: AtomicU64::new(READY) })
    }

    /// Its origin, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The resident memory, in bytes, of the process that runs the application, where the system tells.
    pub fn resident_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// Everything that the application printed to its console.
    pub fn console(&self) -> String {
        self.output.text()
    }

    /// Runs SQL on the application's database.
    pub async fn sql(&self, sql: &str, params: Value) -> Result<Vec<Value>> {
        let rows = self.command(json!({"cmd": "sql", "sql": sql, "params": params})).await;
        match rows.with_context(|| sql.to_owned())? {
            Value::Array(rows) => Ok(rows),
            other => bail!("rows are not an array: {other}"),
        }
    }

    /// Runs several statements in one transaction.
    pub async fn batch(&self, statements: &[String]) -> Result<Vec<Value>> {
        let command = json!({"cmd": "batch", "statements": statements});
        match self.command(command).await? {
            Value::Array(answers) => Ok(answers),
            other => bail!("answers are not an array: {other}"),
        }
    }

    /// Runs the Worker's cron handler and waits for the end. For workerd only.
    pub async fn scheduled(&self, cron: &str) -> Result<()> {
        let outcome = self.command(json!({"cmd": "scheduled", "cron": cron})).await?;
        match outcome["outcome"].as_str() {
            Some("ok") => Ok(()),
            _ => bail!("the cron handler ended with {outcome}; console:\n{}", self.console()),
        }
    }

    /// Every entry of the application's KV namespace.
    pub async fn kv(&self) -> Result<Value> {
        self.command(json!({"cmd": "kv"})).await
    }

    /// Stops the application in order, so that the stored data is complete.
    pub async fn stop(self) -> Result<()> {
        self.command(json!({"cmd": "stop"})).await.map(drop)
    }

    /// Ends the application at once, in the middle of its work: nothing is flushed.
    pub async fn kill(self) -> Result<()> {
        // A killed process answers no command: the command ends when the process has closed its output.
        let ended = self.command(json!({"cmd": "kill"})).await;
        ensure!(ended.is_err(), "the host answered instead of ending");
        Ok(())
    }

    async fn command(&self, mut command: Value) -> Result<Value> {
        const LIMIT: Duration = Duration::from_mins(1);
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        command["id"] = json!(id);
        lock(&self.process).write_line(&command.to_string())?;
        let answer = tokio::time::timeout(LIMIT, answer)
            .await
            .with_context(|| format!("no answer to {command} within {LIMIT:?}"))?
            .map_err(|_| anyhow!("the runtime ended; console:\n{}", self.console()))?;
        match answer["ok"].as_bool() {
            Some(true) => Ok(answer["result"].clone()),
            _ => bail!("{}", answer["error"].as_str().unwrap_or("no error text")),
        }
    }
}

/// The command that runs run.mjs, and the first line for its standard input.
fn workerd(start: Start) -> Result<(Command, Value)> {
    let mut command = Command::new(environment::path(environment::NODE)?);
    command
        .arg(environment::workspace().join("tests/workerd/run.mjs"))
        .env("POSTERN_TOOLS", environment::path(environment::TOOLS)?);
    let script = match start.application {
        Application::Postern => environment::path(environment::BUILD)?.join("index.js"),
        Application::PortSuite => environment::path(environment::PORT_SUITE_BUILD)?.join("index.js"),
        Application::Probe => environment::workspace().join("tests/workerd/probe.mjs"),
    };
    let mut line = json!({"script": script, "bindings": start.bindings});
    line["limits"] = start.limits.unwrap_or_else(|| json!({}));
    line["rate_limit"] = json!({"limit": 20, "period": 60});
    if let Some(folder) = start.persist {
        line["persist"] = json!(folder);
    }
    if start.without_migrations {
        line["migrations"] = json!(false);
    }
    Ok((command, line))
}

/// The command that runs `spin-host`, and the first line for its standard input.
fn spin(start: Start) -> Result<(Command, Value)> {
    let command = Command::new(environment::path(environment::SPIN_HOST)?);
    let manifest = match start.application {
        Application::Postern => "spin.toml",
        Application::PortSuite => "tests/port-suite-spin/spin.toml",
        Application::Probe => bail!("the probe is a Worker"),
    };
    let variables: BTreeMap<_, _> =
        start.bindings.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let manifest = environment::workspace().join(manifest);
    let mut line = json!({"manifest": manifest, "variables": variables, "state_dir": start.persist});
    // Spin has none of D1's limits: with them, what would fail on Cloudflare fails on both runtimes.
    line["d1_limits"] = json!(true);
    if environment::is_spin_sqlite_remote()? {
        line["remote_sqlite"] = json!({});
    }
    Ok((command, line))
}

/// Hands each line of the process's output to the command that waits for that line.
struct Dispatcher(Waiting);

impl Dispatcher {
    fn dispatch(&self, line: &str) {
        let Ok(answer) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let id = if answer["ready"] == true { Some(READY) } else { answer["id"].as_u64() };
        if let Some(sender) = id.and_then(|id| lock(&self.0).remove(&id)) {
            // The command may have given up waiting.
            let _ = sender.send(answer);
        }
    }
}

impl Drop for Dispatcher {
    /// The process has closed its output: every command that still waits fails.
    fn drop(&mut self) {
        lock(&self.0).clear();
    }
}
