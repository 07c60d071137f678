//! Test programs: built in one go, then run one by one, so that none is compiled again for another selection of packages
//! and each test's time is known.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::console;
use crate::process;
use crate::workspace::{self, FOR_HOST};

/// What the steps of a run share: the programs, once they are built, and how long each test took.
#[derive(Default)]
pub(crate) struct Tests {
    programs: OnceLock<Vec<Program>>,
    times: Mutex<Vec<(String, Duration)>>,
}

/// A test program.
pub(crate) struct Program {
    /// Its source file.
    name: String,
    /// The folder of its crate, in which it runs.
    folder: PathBuf,
    path: PathBuf,
}

/// What a program printed of its tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    passed: u32,
    /// Each test and its time.
    tests: Vec<(String, Duration)>,
}

impl Tests {
    /// Compiles every test program of this machine, and the programs that they start.
    pub(crate) fn build(&self) -> Result<()> {
        let mut command = Command::new("cargo");
        command
            .args(["--quiet", "test", "--no-run", "--message-format", "json-render-diagnostics"])
            .args(FOR_HOST)
            .current_dir(workspace::root());
        let messages = process::answer(&mut command, "cargo test --no-run")?;
        let programs: Vec<Program> =
            messages.lines().filter_map(|line| program(&serde_json::from_str(line).ok()?)).collect();
        if programs.is_empty() {
            bail!("cargo named no test program");
        }
        self.programs.set(programs).ok().context("the test programs are built once")
    }

    /// Runs the tests whose names contain one of `filters` (all when there is none), in the programs that `which` selects, whatever fails. `place` is
    /// where they run, when they run in several.
    pub(crate) fn run(
        &self,
        which: impl Fn(&Program) -> bool,
        filters: &[&str],
        environment: &[(&str, OsString)],
        place: Option<&str>,
    ) -> Result<()> {
        let mut failed = Vec::new();
        for program in self.programs.get().into_iter().flatten().filter(|program| which(program)) {
            let Some(tests) = program.run(filters, environment)? else {
                failed.push(program.name.as_str());
                continue;
            };
            let place = place.map(|place| format!(" (on {place})")).unwrap_or_default();
            let tests = tests.into_iter().map(|(name, time)| (format!("{name}{place}"), time));
            self.times.lock().unwrap_or_else(PoisonError::into_inner).extend(tests);
        }
        if failed.is_empty() { Ok(()) } else { bail!("tests failed in {}", failed.join(", ")) }
    }

    /// Each test that passed and its time.
    pub(crate) fn into_times(self) -> Vec<(String, Duration)> {
        self.times.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Program {
    /// Whether its crate is in `folder`.
    pub(crate) fn is_of(&self, folder: &str) -> bool {
        self.folder.ends_with(folder)
    }

    /// Runs it; each test and its time, or nothing when a test failed, after what the program printed.
    fn run(
        &self,
        filters: &[&str],
        environment: &[(&str, OsString)],
    ) -> Result<Option<Vec<(String, Duration)>>> {
        let mut command = Command::new(&self.path);
        command.args(["-Z", "unstable-options", "--report-time"]).args(filters).current_dir(&self.folder);
        // The times of tests are an unstable option of the test harness, which a stable one has only with this variable.
        // A compiler that a test starts would see the variable, too: the test has to remove it.
        command.env("RUSTC_BOOTSTRAP", "1").envs(environment.iter().map(|(name, value)| (name, value)));
        let (status, output) = process::capture(&mut command, &self.name)?;
        match read(&output) {
            Some(report) if status.success() => {
                if report.passed > 0 {
                    console::note(format!("{:>5} passed  {}", report.passed, self.name));
                }
                Ok(Some(report.tests))
            }
            _ => {
                // Tests that passed would only bury those that failed.
                for line in output.lines().filter(|line| !line.contains(" ... ok <")) {
                    console::line(line);
                }
                console::note(format!("FAILED ({status})  {}", self.name));
                Ok(None)
            }
        }
    }
}

/// The test program of a message of cargo, when the message is about one.
fn program(message: &Value) -> Option<Program> {
    let path = message.get("executable")?.as_str()?;
    if !message.pointer("/profile/test")?.as_bool()? {
        return None;
    }
    let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?;
    let source = Path::new(message.pointer("/target/src_path")?.as_str()?);
    let root = workspace::root();
    let name = source.strip_prefix(std::path::absolute(root).ok()?).unwrap_or(source);
    Some(Program { name: name.display().to_string(), folder: folder.to_path_buf(), path: path.into() })
}

/// Reads lines such as `test module::name ... ok <0.123s>` and the closing `test result: ok. 3 passed; …`.
fn read(output: &str) -> Option<Report> {
    let lines = || output.lines().filter_map(|line| line.strip_prefix("test "));
    let result = lines().find_map(|line| line.strip_prefix("result: "))?;
    let passed = result.split([' ', ';']).zip(result.split([' ', ';']).skip(1));
    let passed =
        passed.into_iter().find_map(|(count, word)| (word == "passed").then(|| count.parse().ok())?)?;
    let test = |line: &str| {
        let (name, time) = line.rsplit_once(" ... ok <")?;
        let time = Duration::try_from_secs_f64(time.strip_suffix("s>")?.parse().ok()?).ok()?;
        Some((name.to_owned(), time))
    };
    Some(Report { passed, tests: lines().filter_map(test).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_time_for_each_test() {
        let output = "\nrunning 2 tests\ntest a::b ... ok <0.250s>\ntest c ... ignored\n\n\
                      test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.25s\n";
        let tests = vec![("a::b".to_owned(), Duration::from_millis(250))];
        assert_eq!(read(output), Some(Report { passed: 1, tests }));
        assert_eq!(read("Segmentation fault"), None);
    }

    #[test]
    fn only_test_programs_are_taken() {
        let manifest = workspace::root().join("functions/gateway/Cargo.toml");
        let source = workspace::root().join("functions/gateway/tests/suite/main.rs");
        let message = |test: bool, executable: Option<&str>| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": manifest, "target": { "src_path": source },
                "profile": { "test": test }, "executable": executable,
            })
        };
        let found = program(&message(true, Some("/target/debug/deps/suite-1"))).unwrap();
        assert_eq!(found.name, "functions/gateway/tests/suite/main.rs");
        assert!(found.is_of("functions/gateway"));
        assert!(program(&message(false, Some("/target/debug/spin-host"))).is_none());
        assert!(program(&message(true, None)).is_none());
    }
}
