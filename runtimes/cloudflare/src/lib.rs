//! The Worker: binds Cloudflare's D1, KV, fetch and timers to the ports, mounts every function, and runs the jobs of
//! cron triggers.
//!
//! Architecture invariant: this is the only crate of the product that names a type of `worker`. The router turns every
//! error into a response, so no client sees the runtime's plain-text 500.

mod convert;
mod d1;
#[cfg(feature = "entry")]
mod entry;
mod fetch;
mod kv;
mod logger;
mod platform;
mod rate_limit;
mod system;
mod timer;

pub use convert::{to_web, to_worker};
pub use logger::init as init_logger;
pub use platform::{platform, ports};
pub use system::{Caller, Later};
