//! One run of the suite: its command, its results, its closing line.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::console;
use crate::fs_ext;
use crate::process;
use crate::runtime::Runtime;
use crate::tools::Tools;
use crate::workspace;

/// The part that Postern plays.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Side {
    /// Agents call Postern
    Server,
    /// Postern calls upstreams
    Client,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// The results of one run.
pub(super) struct Leg {
    name: String,
    required: usize,
    required_passed: usize,
    checks_passed: usize,
    checks_failed: usize,
    /// Whether the failures are exactly the expected ones.
    pub(super) as_expected: bool,
}

impl Leg {
    /// The line that closes the run, such as `server 2025-11-25: 12/30 required, 40 checks passed, 44 failed`.
    pub(super) fn closing_line(&self) -> String {
        format!(
            "{}: {}/{} required, {} checks passed, {} failed",
            self.name, self.required_passed, self.required, self.checks_passed, self.checks_failed
        )
    }
}

/// Runs the suite with one revision's requirements; `configure` adds the options of the side. The results are kept in a
/// folder of this runtime, as suites of two runtimes may run at once.
pub(super) fn run(
    tools: &Tools,
    side: Side,
    runtime: Runtime,
    revision: &str,
    configure: impl FnOnce(&mut Command),
) -> Result<Leg> {
    let name = format!("{} {revision}", side.name());
    let step = console::step(format!("conformance {name}"));
    let package = workspace::peers_dir().join("node_modules/@modelcontextprotocol/conformance");
    let results = results_dir(runtime, &name)?;
    let mut command = tools.node(package.join("dist/index.js"));
    command.args([side.name(), "--requirements", revision, "--expected-failures"]);
    command.arg(expected_failures(&name)).arg("--output-dir").arg(&results);
    configure(&mut command);
    let (code, output) = process::capture(&mut command, &format!("conformance {name}"))?;
    let log = results.join("output.txt");
    std::fs::write(&log, &output).with_context(|| format!("cannot write {}", log.display()))?;
    let Some((_, summary)) = output.split_once("SUMMARY ===") else {
        console::line(output.trim_end());
        bail!("the conformance suite ended ({code}) without a summary");
    };
    let requirements = package.join("requirements").join(format!("{revision}.yaml"));
    let requirements = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let leg = evaluate(name, &required(&requirements, side.name()), summary, code.success())?;
    // Among other steps, one line says enough of what is as expected.
    if !leg.as_expected || !console::is_keeping() {
        console::line(summary.trim_matches('\n'));
    }
    console::note(format!("checks and messages of each scenario: {}", results.display()));
    step.done();
    console::line(leg.closing_line());
    Ok(leg)
}

fn results_dir(runtime: Runtime, name: &str) -> Result<PathBuf> {
    let dir = workspace::target_dir().join("conformance").join(runtime.name()).join(name.replace(' ', "-"));
    fs_ext::remove_dir(&dir)?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    std::path::absolute(&dir).context("no absolute path")
}

fn expected_failures(name: &str) -> PathBuf {
    workspace::conformance_dir()
        .join("expected-failures")
        .join(Path::new(&name.replace(' ', "-")))
        .with_extension("yml")
}

/// The scenarios below a top-level key of a requirements file: a plain list of names.
fn required(requirements: &str, side: &str) -> HashSet<String> {
    requirements
        .lines()
        .skip_while(|line| line.trim_end() != format!("{side}:"))
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with([' ', '#']))
        .filter_map(|line| line.trim().strip_prefix("- "))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Reads the lines `✓ name: n passed, m failed` and `Total: n passed, m failed` of a summary, and what it lists
/// as failing (`✗`) or expected to fail (`~`): warnings are only seen there.
fn evaluate(name: String, required: &HashSet<String>, summary: &str, as_expected: bool) -> Result<Leg> {
    let lines = || summary.lines().map(str::trim);
    let total = lines().find_map(|line| line.strip_prefix("Total: ")).and_then(counts_of);
    let Some((checks_passed, checks_failed)) = total.filter(|_| !required.is_empty()) else {
        bail!("{name}: the suite's output was not understood");
    };
    let failing: HashSet<&str> = lines()
        .filter_map(|line| line.strip_prefix("✗ ").or_else(|| line.strip_prefix("~ ")))
        .filter_map(|rest| rest.split(':').next())
        .collect();
    let passed: HashSet<&str> = lines()
        .filter_map(|line| line.strip_prefix("✓ ")?.rsplit_once(": "))
        // A scenario without checks proves nothing, and does not count as passed.
        .filter(|(_, counts)| counts_of(counts).is_some_and(|(passed, failed)| passed > 0 && failed == 0))
        .map(|(scenario, _)| scenario)
        .filter(|scenario| required.contains(*scenario) && !failing.contains(scenario))
        .collect();
    let (required, required_passed) = (required.len(), passed.len());
    Ok(Leg { name, required, required_passed, checks_passed, checks_failed, as_expected })
}

fn counts_of(text: &str) -> Option<(usize, usize)> {
    let (passed, rest) = text.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed")?;
    Some((passed.trim().parse().ok()?, failed.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIREMENTS: &str = "# text\nserver:\n  # why\n  - ping\n  - tools-list\n\nclient:\n  - auth/x\n\nnot_scored:\n  - scenario: z\n";

    #[test]
    fn reads_the_required_scenarios_of_a_side() {
        let names = |side| required(REQUIREMENTS, side);
        assert_eq!(names("server"), HashSet::from(["ping".to_owned(), "tools-list".to_owned()]));
        assert_eq!(names("client"), HashSet::from(["auth/x".to_owned()]));
        assert!(names("nothing").is_empty());
    }

    #[test]
    fn counts_required_scenarios_and_all_checks() {
        let summary = "\n✓ ping: 2 passed, 0 failed\n✗ tools-list: 1 passed, 3 failed\n✓ extra: 4 passed, 0 failed\n\nTotal: 7 passed, 3 failed\n  ✓ extra (pending)\n";
        let leg = evaluate("server R".to_owned(), &required(REQUIREMENTS, "server"), summary, true).unwrap();
        assert_eq!(leg.closing_line(), "server R: 1/2 required, 7 checks passed, 3 failed");
    }

    #[test]
    fn a_scenario_that_checked_nothing_has_not_passed() {
        let summary = "✓ ping: 0 passed, 0 failed\nTotal: 0 passed, 0 failed, 2 warnings\n";
        let leg = evaluate("server R".to_owned(), &required(REQUIREMENTS, "server"), summary, true).unwrap();
        assert_eq!(leg.required_passed, 0);
    }

    #[test]
    fn a_scenario_with_warnings_has_not_passed() {
        let summary = "✓ ping: 2 passed, 0 failed\n✓ tools-list: 1 passed, 0 failed\nTotal: 3 passed, 0 failed\n  ~ tools-list:a-check\n";
        let leg = evaluate("server R".to_owned(), &required(REQUIREMENTS, "server"), summary, true).unwrap();
        assert_eq!(leg.required_passed, 1);
    }

    #[test]
    fn output_without_a_total_is_an_error() {
        assert!(
            evaluate(
                "server R".to_owned(),
                &required(REQUIREMENTS, "server"),
                "✓ ping: 2 passed, 0 failed",
                true
            )
            .is_err()
        );
    }
}
