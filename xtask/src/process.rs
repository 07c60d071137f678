//! Child processes: run to the end or kept running, each in a process group of its own, all stopped at the end.

mod service;

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process_group, setpriority_pgrp, test_kill_process_group, waitpid,
};

use crate::console;
pub(crate) use service::Service;

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(6);
/// How often a silent command says that it still works.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How far a process of [`yielding`] steps back, from 1 to 19: beside others it gets a tenth of a core.
const NICENESS: i32 = 10;

/// The process groups of the children that run now, for the signal handler.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Set once a signal has been received: from then on, a child that fails is not reported.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// On Ctrl-C, SIGTERM or SIGHUP: stops every child, then ends this process with 130.
pub(crate) fn stop_everything_on_signal() -> Result<()> {
    ctrlc::set_handler(|| {
        STOPPING.store(true, Ordering::SeqCst);
        eprintln!("\nstopping …");
        let groups = locked(&RUNNING).clone();
        for group in &groups {
            let _ = kill_process_group(*group, Signal::TERM);
        }
        for group in &groups {
            end_group(*group);
        }
        std::process::exit(130);
    })
    .context("cannot handle signals")
}

/// Never returns once a signal has been received: the handler ends the process, with the right exit code.
pub(crate) fn yield_to_signal() {
    while STOPPING.load(Ordering::SeqCst) {
        sleep(GRACE);
    }
}

/// Waits for a signalled group to end, and kills what is left of the group after the grace time.
fn end_group(group: Pid) {
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline && test_kill_process_group(group).is_ok() {
        // A child that ended but was not waited for still counts as a member of its group.
        let _ = waitpid(Some(group), WaitOptions::NOHANG);
        sleep(Duration::from_millis(50));
    }
    let _ = kill_process_group(group, Signal::KILL);
}

thread_local! {
    /// Whether what this thread starts leaves the processor to others; see [`yielding`].
    static YIELDS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; the processes that this thread starts meanwhile leave the processor to those of other threads. For
/// compilers beside tests: a compiler can wait, a test has limits of time.
pub(crate) fn yielding<T>(work: impl FnOnce() -> T) -> T {
    YIELDS.set(true);
    let result = work();
    YIELDS.set(false);
    result
}

/// A child in its own process group, known to the signal handler until it is dropped.
struct Group {
    child: Child,
    pid: Pid,
}

impl Group {
    fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {program}"))?;
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("child without a process id")?;
        locked(&RUNNING).push(pid);
        if YIELDS.get() {
            // Without the lower priority, everything still works.
            let _ = setpriority_pgrp(Some(pid), NICENESS);
        }
        Ok(Self { child, pid })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(self.pid, Signal::TERM);
            let deadline = Instant::now() + GRACE;
            while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
                sleep(Duration::from_millis(20));
            }
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        let _ = self.child.wait();
        // Processes that the leader left behind get a moment too, to close their files.
        let _ = kill_process_group(self.pid, Signal::TERM);
        end_group(self.pid);
        locked(&RUNNING).retain(|pid| *pid != self.pid);
    }
}

/// Runs a command to its end with its output shown; `what` names it in the error. Among steps that run side by side, the
/// output is shown only when the command fails.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    if console::is_keeping() {
        return run_quietly(command, what);
    }
    let mut group = Group::spawn(command.stdin(Stdio::null()))?;
    let status = group.child.wait().with_context(|| format!("{what}: cannot wait"))?;
    succeeded(status, what, "")
}

/// Runs a command whose output matters only when it fails; says every 15 s that it still works.
pub(crate) fn run_quietly(command: &mut Command, what: &str) -> Result<()> {
    let (status, output) = capture(command, what)?;
    succeeded(status, what, &output)
}

/// Runs a command and returns its status and its output, both streams in one; says every 15 s that it still works.
pub(crate) fn capture(command: &mut Command, what: &str) -> Result<(ExitStatus, String)> {
    let both = Arc::new(Mutex::new(String::new()));
    let status = run_into(command, what, &both, &both)?;
    let output = locked(&both).clone();
    Ok((status, output))
}

/// Runs a command and returns its standard output; what it wrote to the other stream is shown, or kept with the output
/// of its step.
pub(crate) fn answer(command: &mut Command, what: &str) -> Result<String> {
    let [answer, messages] = [(); 2].map(|()| Arc::new(Mutex::new(String::new())));
    let status = run_into(command, what, &answer, &messages)?;
    let messages = locked(&messages).clone();
    if status.success() && !messages.trim().is_empty() {
        console::line(messages.trim_end());
    }
    succeeded(status, what, &messages)?;
    let answer = locked(&answer).clone();
    Ok(answer)
}

/// Runs a command to its end, with its standard output in `out` and the other stream in `err`.
fn run_into(
    command: &mut Command,
    what: &str,
    out: &Arc<Mutex<String>>,
    err: &Arc<Mutex<String>>,
) -> Result<ExitStatus> {
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let readers = [
        group.child.stdout.take().map(|pipe| collect(pipe, Arc::clone(out))),
        group.child.stderr.take().map(|pipe| collect(pipe, Arc::clone(err))),
    ];
    let mut next = started + HEARTBEAT;
    let status = loop {
        if let Some(status) = group.child.try_wait().with_context(|| format!("{what}: cannot wait"))? {
            break status;
        }
        // Steps that run side by side have a heartbeat of their own.
        if Instant::now() >= next && !console::is_keeping() {
            console::note(format!("… still busy: {what} ({})", console::seconds(started.elapsed())));
            next += HEARTBEAT;
        }
        sleep(Duration::from_millis(50));
    };
    for reader in readers.into_iter().flatten() {
        let _ = reader.join();
    }
    Ok(status)
}

fn collect(pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = locked(&into);
            text.push_str(&line);
            text.push('\n');
        }
    })
}

fn succeeded(status: ExitStatus, what: &str, output: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    if !output.trim().is_empty() {
        console::line(output.trim_end());
    }
    bail!("{what} failed ({status})")
}

/// A command's standard output; an error when the command fails or is missing.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A loopback port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

/// Whether a loopback port can be listened on.
pub(crate) fn port_is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_names_itself() {
        let error = run_quietly(Command::new("sh").args(["-c", "exit 3"]), "the step").unwrap_err();
        assert!(error.to_string().contains("the step failed"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program"), "x").unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
