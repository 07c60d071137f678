//! The port conformance suite: checks that the ports of all runtimes behave alike. `tests/native` runs the suite
//! natively, and one test program per runtime runs it inside real WASM.
//!
//! `helper` is the base URL of a plain HTTP server with `echo`, `stream`, `bytes`, `redirect` and `hang` below
//! `/helper/`.

mod fetch;
mod kv;
mod sql;
mod system;

use std::future::Future;

use kernel::ports::Ports;
use serde::Serialize;

/// The outcome of one check.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The rule that was checked.
    pub name: &'static str,
    /// `true` if the rule holds.
    pub ok: bool,
    /// How the rule was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The result of a check; the error says how the rule was broken.
type Outcome = Result<(), String>;

/// The outcomes of the checks so far.
pub(crate) struct Suite(Vec<Check>);

impl Suite {
    async fn check(&mut self, name: &'static str, outcome: impl Future<Output = Outcome>) {
        let error = outcome.await.err();
        self.0.push(Check { name, ok: error.is_none(), error });
    }
}

/// Runs all checks and returns their outcomes.
pub async fn run(platform: &Ports, helper: &str) -> Vec<Check> {
    let mut suite = Suite(Vec::new());
    sql::run(platform, &mut suite).await;
    kv::run(platform, &mut suite).await;
    fetch::run(platform, helper, &mut suite).await;
    system::run(platform, &mut suite).await;
    suite.0
}

/// Returns `Ok` if both are equal, else a text that shows both.
#[allow(clippy::needless_pass_by_value)] // so that literals can be compared
fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}

/// Returns an error as text.
#[allow(clippy::needless_pass_by_value)] // the shape that map_err wants
fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}
