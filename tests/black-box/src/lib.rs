//! The harness of the black-box suite: Postern on a real runtime, real upstreams and real agents, each on a free
//! loopback port, each stopped with the test process that started it.
//!
//! The suite itself is `tests/suite`, one module per subject. `cargo xtask test` runs it and sets the environment
//! variables of [`environment`].

#![allow(
    clippy::indexing_slicing,
    reason = "reading a member that a JSON value does not have gives null, which the checks then report"
)]
#![allow(clippy::needless_pass_by_value, reason = "JSON written at the place of use reads best without `&`")]

pub mod agent;
pub mod api;
pub mod chromium;
pub mod environment;
mod host;
pub mod key;
pub mod mcp;
pub mod oauth;
mod postern;
mod process;
pub mod raw;
mod runtime;
mod rust_agent;
mod upstream;

pub use host::{Application, Host, Start};
pub use postern::{Integration, Postern, Settings};
pub use runtime::Runtime;
pub use upstream::Upstream;

use std::time::Duration;

use anyhow::{Result, bail};

/// Polls until `poll` returns a value; for what happens soon after an answer (audit rows, a first probe).
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    const PAUSE: Duration = Duration::from_millis(50);
    const TRIES: u32 = 200;
    for _ in 0..TRIES {
        if let Some(found) = poll().await? {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("{what}: not so within {:?}", PAUSE * TRIES)
}
