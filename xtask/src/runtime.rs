//! The runtimes that Postern runs on.

use clap::ValueEnum;

/// A runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// Cloudflare's own
    Workerd,
    /// Spin: `spin up` for `dev`, its test host (tests/spin-host) for tests and measurements
    Spin,
}

impl Runtime {
    /// As the tests and the load generator are told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Workerd => "workerd",
            Self::Spin => "spin",
        }
    }
}
