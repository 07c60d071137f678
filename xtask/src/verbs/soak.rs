//! `cargo xtask soak`: Postern on workerd for a long time under load, with agents that leave, an upstream that fails and keys
//! that are revoked (`tests/bench/src/soak.rs`).

use anyhow::Result;

use super::bench;

/// Options of `soak`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    bench::soak(args.minutes)
}
