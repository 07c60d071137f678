//! A child process that cannot outlive the test process: the child leaves when its standard input, a pipe, closes,
//! and is killed by its id if it does not leave.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    net::TcpListener,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use tokio::sync::oneshot;

/// A running child.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Output,
}

/// What a child has written to standard error so far.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<String>>);

impl Output {
    pub(crate) fn text(&self) -> String {
        lock(&self.0).clone()
    }
}

impl Process {
    /// Starts `command`; every line of its standard output goes to `on_line`, its standard error is kept.
    pub(crate) fn spawn(
        name: &'static str,
        command: &mut Command,
        mut on_line: impl FnMut(String) + Send + 'static,
    ) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdin = child.stdin.take();
        let output = Output::default();
        let stdout = child.stdout.take().context("no stdout")?;
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(&mut on_line);
        });
        let mut stderr = child.stderr.take().context("no stderr")?;
        let kept = output.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut bytes) {
                lock(&kept.0).push_str(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()));
            }
        });
        Ok(Self { name, child, stdin, output })
    }

    /// Starts a program that takes options as the first line of its standard input and says in one line where it is.
    /// Returns that line.
    pub(crate) async fn start(
        name: &'static str,
        command: &mut Command,
        options: &Value,
    ) -> Result<(Self, Value)> {
        const LIMIT: Duration = Duration::from_secs(30);
        let (sender, ready) = oneshot::channel();
        let mut sender = Some(sender);
        let mut process = Self::spawn(name, command, move |line| {
            if let Some(sender) = sender.take() {
                // `start` may have given up waiting.
                let _ = sender.send(line);
            }
        })?;
        process.write_line(&options.to_string())?;
        let Ok(Ok(line)) = tokio::time::timeout(LIMIT, ready).await else {
            bail!(process.failure(&format!("is not ready after {LIMIT:?}")));
        };
        let ready = serde_json::from_str(&line).with_context(|| line.clone())?;
        Ok((process, ready))
    }

    /// Writes one line to the child's standard input.
    pub(crate) fn write_line(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| stdin.flush())
            .with_context(|| format!("{} does not listen any more", self.name))
    }

    /// The child's process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn output(&self) -> Output {
        self.output.clone()
    }

    /// Returns an error when the child has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.failure(&format!("ended ({status})"))),
        }
    }

    /// An error that carries the child's standard error.
    pub(crate) fn failure(&self, what: &str) -> anyhow::Error {
        anyhow!("{} {what}; it said:\n{}", self.name, self.output.text())
    }

    /// Waits until `port` accepts connections.
    pub(crate) async fn wait_for_port(&mut self, port: u16) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(30);
        const TRIES: u32 = 1000;
        for _ in 0..TRIES {
            self.check()?;
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!(self.failure(&format!("does not listen on {port} after {:?}", PAUSE * TRIES)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stdin.take());
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        // The child has not left by itself; nothing more can be done about an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Locks a mutex even if a test panicked while it held the lock: other tests must not fail with that one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
