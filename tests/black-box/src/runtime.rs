//! The runtime that a run of the suite is about.

use anyhow::{Result, bail};

use crate::environment;

/// A runtime that Postern runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// workerd, as on Cloudflare.
    Workerd,
    /// Spin, by its test host.
    Spin,
}

impl Runtime {
    /// The one that `POSTERN_RUNTIME` names; workerd when it names none.
    pub fn under_test() -> Result<Self> {
        match std::env::var(environment::RUNTIME).as_deref() {
            Err(_) | Ok("workerd") => Ok(Self::Workerd),
            Ok("spin") => Ok(Self::Spin),
            Ok(other) => bail!("{} names no runtime: {other}", environment::RUNTIME),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workerd => "workerd",
            Self::Spin => "spin",
        }
    }
}
