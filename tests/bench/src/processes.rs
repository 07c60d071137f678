//! The processes of a run: the upstream, and a Worker on workerd behind `tests/workerd/run.mjs`.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::args::Args;

/// The first argument that makes this program the upstream.
pub(crate) const UPSTREAM_COMMAND: &str = "serve-upstream";
/// How many tools the upstream offers in all; together with two short lists of [`SHORT_LIST`] that makes 200.
pub(crate) const LONG_LIST: usize = 186;
/// How many of them it lists where a short list is asked for.
pub(crate) const SHORT_LIST: usize = 7;

const PATIENCE: Duration = Duration::from_mins(1);

/// Is the upstream until standard input closes.
pub(crate) fn serve_upstream() -> Result<()> {
    let extra_tools = LONG_LIST - SHORT_LIST;
    let stub = Stub::start(Options { extra_tools, record: false, ..Options::default() })?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({"ready": true, "url": stub.url("")}))?;
    out.flush()?;
    let mut ignored = [0; 64];
    while std::io::stdin().read(&mut ignored)? > 0 {}
    Ok(())
}

/// A child that speaks JSON lines. It ends when its standard input closes, so dropping this ends it.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    ready: Value,
}

impl Process {
    /// Starts the upstream.
    pub(crate) async fn upstream() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        Self::start(command.arg(UPSTREAM_COMMAND), None).await.context("the upstream")
    }

    /// Starts a Worker: `start` is the runner's first line without the script.
    pub(crate) async fn worker(args: &Args, script: &Path, start: Value) -> Result<Self> {
        let mut command = Command::new(&args.node);
        command.arg(args.runner()).arg(&args.tools);
        let mut start = start;
        if let Some(start) = start.as_object_mut() {
            start.insert("script".into(), json!(script));
            start.insert("wrangler".into(), json!(args.wrangler));
        }
        Self::start(&mut command, Some(start)).await.with_context(|| format!("{}", script.display()))
    }

    /// Starts Postern's components on Spin's test host.
    pub(crate) async fn spin(host: &Path, start: Value) -> Result<Self> {
        Self::start(&mut Command::new(host), Some(start)).await.with_context(|| format!("{}", host.display()))
    }

    async fn start(command: &mut Command, first: Option<Value>) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let input = child.stdin.take().context("no stdin")?;
        let output = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let mut process = Self { child, input: Some(input), output, ready: Value::Null };
        if let Some(first) = first {
            process.write(&first).await?;
        }
        process.ready = process.read().await?;
        ensure!(process.ready.get("ready").is_some(), "not ready: {}", process.ready);
        Ok(process)
    }

    /// Where it listens, without a path.
    pub(crate) fn url(&self) -> Result<&str> {
        Ok(self
            .ready
            .get("url")
            .and_then(Value::as_str)
            .context("no URL in the ready line")?
            .trim_end_matches('/'))
    }

    /// The process that does the work: workerd, or the upstream itself.
    pub(crate) fn pid(&self) -> Option<u64> {
        let workerd = self.ready.get("workerd_pid").and_then(Value::as_u64);
        workerd.or_else(|| self.child.id().filter(|_| self.ready.get("workerd_pid").is_none()).map(u64::from))
    }

    /// Its resident memory in bytes, where the system tells.
    pub(crate) fn rss(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// Runs SQL in the Worker's database.
    pub(crate) async fn sql(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Value>> {
        self.write(&json!({"id": 1, "cmd": "sql", "sql": sql, "params": params})).await?;
        let answer = self.read().await?;
        match answer.get("result").and_then(Value::as_array) {
            Some(rows) => Ok(rows.clone()),
            None => bail!("{sql}: {answer}"),
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        timeout(PATIENCE, self.child.wait()).await.context("a process does not end")??;
        Ok(())
    }

    async fn write(&mut self, line: &Value) -> Result<()> {
        let input = self.input.as_mut().context("stopped")?;
        input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(input.flush().await?)
    }

    async fn read(&mut self) -> Result<Value> {
        let line = timeout(PATIENCE, self.output.next_line()).await.context("no word from a process")??;
        Ok(serde_json::from_str(&line.context("a process ended; see its messages above")?)?)
    }
}

/// The processor time that a process has used so far, in microseconds, where the system tells.
pub(crate) fn cpu_time(pid: u64) -> Option<f64> {
    // Linux counts in hundredths of a second here, on every architecture.
    const TICK: f64 = 10_000.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, is in brackets and may hold anything; user and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Some(times.sum::<Result<f64, _>>().ok()? * TICK)
}
