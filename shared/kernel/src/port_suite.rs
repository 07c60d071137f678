//! The port conformance suite: what every runtime's ports must do alike. Run natively by `tests/native` and inside real
//! WASM by a test program per runtime. Compiled only with the feature `port-suite`.
//!
//! `helper` is the base URL of a plain HTTP server with `/helper/echo`, `/stream`, `/bytes`, `/redirect` and `/hang`.

mod fetch;
mod kv;
mod sql;
mod system;

use std::future::Future;

use serde::Serialize;

use crate::ports::Ports;

/// How one check ended.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The rule that it checks.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a check returns.
type Outcome = Result<(), String>;

/// Collects checks one after the other.
pub(crate) struct Suite(Vec<Check>);

impl Suite {
    async fn check(&mut self, name: &'static str, outcome: impl Future<Output = Outcome>) {
        let error = outcome.await.err();
        self.0.push(Check { name, ok: error.is_none(), error });
    }
}

/// Runs all checks.
pub async fn run(platform: &Ports, helper: &str) -> Vec<Check> {
    let mut suite = Suite(Vec::new());
    sql::run(platform, &mut suite).await;
    kv::run(platform, &mut suite).await;
    fetch::run(platform, helper, &mut suite).await;
    system::run(platform, &mut suite).await;
    suite.0
}

/// `Ok` when both are equal, else a text that shows them.
#[allow(clippy::needless_pass_by_value)] // so that literals can be compared
fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}

/// Any error as text.
#[allow(clippy::needless_pass_by_value)] // the shape that map_err wants
fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}
