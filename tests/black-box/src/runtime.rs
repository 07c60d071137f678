//! The runtime that the suite runs on.

use anyhow::{Result, bail};

use crate::environment;

/// A runtime that Postern runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// workerd, as on Cloudflare.
    Workerd,
    /// Spin, in the form of `tests/spin-host`.
    Spin,
}

impl Runtime {
    /// The runtime that `POSTERN_RUNTIME` names; workerd when the variable is not set.
    pub fn under_test() -> Result<Self> {
        match std::env::var(environment::RUNTIME).as_deref() {
            Err(_) | Ok("workerd") => Ok(Self::Workerd),
            Ok("spin") => Ok(Self::Spin),
            Ok(other) => bail!("{} names no runtime: {other}", environment::RUNTIME),
        }
    }

    /// The runtime's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workerd => "workerd",
            Self::Spin => "spin",
        }
    }
}
