//! A program that runs beside this one: started, watched, and stopped with every process that it started.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Group, locked};
use crate::console;

/// Lines of a service's output that are kept for an error message.
const KEPT_LINES: usize = 60;

/// A program that runs until it is dropped.
pub(crate) struct Service {
    name: String,
    group: Group,
    kept: Arc<Mutex<VecDeque<String>>>,
    /// The program's standard output, line by line.
    lines: Receiver<String>,
    stdin: Option<ChildStdin>,
}

impl Service {
    /// Starts the program. With `shown`, its output is copied to this terminal; the last lines are kept for errors
    /// either way.
    pub(crate) fn start(name: &str, command: &mut Command, shown: bool) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::spawn(command)?;
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, lines) = channel();
        if let Some(pipe) = group.child.stdout.take() {
            let kept = Arc::clone(&kept);
            spawn(move || {
                follow(pipe, &kept, |line| {
                    if shown {
                        println!("{line}");
                    }
                    let _ = sender.send(line.to_owned());
                });
            });
        }
        if let Some(pipe) = group.child.stderr.take() {
            let kept = Arc::clone(&kept);
            spawn(move || {
                follow(pipe, &kept, |line| {
                    if shown {
                        eprintln!("{line}");
                    }
                });
            });
        }
        let stdin = group.child.stdin.take();
        Ok(Self { name: name.to_owned(), group, kept, lines, stdin })
    }

    /// Writes one line to the program's standard input.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the standard input is closed")?;
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .with_context(|| self.trouble("is not listening"))
    }

    /// The next line of the program's standard output.
    pub(crate) fn line(&mut self, timeout: Duration) -> Result<String> {
        match self.lines.recv_timeout(timeout) {
            Ok(line) => Ok(line),
            Err(_) => bail!(self.trouble("said nothing")),
        }
    }

    /// Waits until `ready` returns `true`; an error when the program ends or the time is over.
    pub(crate) fn wait_until(&mut self, timeout: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !ready() {
            if let Some(status) = self.group.child.try_wait()? {
                sleep(Duration::from_millis(100)); // the reader threads fetch the last lines
                bail!(self.trouble(&format!("ended ({status}) before it was ready")));
            }
            if Instant::now() > deadline {
                bail!(self.trouble(&format!("was not ready after {}", console::seconds(timeout))));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until the program ends.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.group.child.wait()?)
    }

    fn trouble(&self, what: &str) -> String {
        let kept = locked(&self.kept);
        let mut text = format!("{} {what}", self.name);
        for line in kept.iter() {
            text.push_str("\n    | ");
            text.push_str(line);
        }
        text
    }
}

fn follow(pipe: impl Read, kept: &Mutex<VecDeque<String>>, mut each: impl FnMut(&str)) {
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        {
            let mut kept = locked(kept);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line.clone());
        }
        each(&line);
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, test_kill_process};

    use super::*;

    #[test]
    fn dropping_a_service_ends_its_whole_group() {
        let mut service =
            Service::start("sleeper", Command::new("sh").args(["-c", "sleep 300 & echo $!; wait"]), false)
                .unwrap();
        let grandchild: i32 = service.line(Duration::from_secs(5)).unwrap().parse().unwrap();
        let pid = Pid::from_raw(grandchild).unwrap();
        assert!(test_kill_process(pid).is_ok());
        drop(service);
        let deadline = Instant::now() + Duration::from_secs(5);
        while test_kill_process(pid).is_ok() && !is_zombie(grandchild) {
            assert!(Instant::now() < deadline, "the grandchild still runs");
            sleep(Duration::from_millis(20));
        }
    }

    /// Without an init process that reaps, a killed grandchild stays in the process table.
    fn is_zombie(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn a_service_that_dies_early_shows_its_output() {
        let mut service =
            Service::start("dier", Command::new("sh").args(["-c", "echo why >&2; exit 1"]), false).unwrap();
        let error = service.wait_until(Duration::from_secs(5), || false).unwrap_err().to_string();
        assert!(error.contains("dier ended") && error.contains("why"), "{error}");
    }
}
