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
    /// The runtime's name in the environment of the tests and on the load generator's command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Workerd => "workerd",
            Self::Spin => "spin",
        }
    }
}
