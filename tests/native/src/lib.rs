//! The native adapter of the ports, for tests: rusqlite with the real migrations, a map for KV, reqwest for fetch.
//! [`App`] puts a whole Postern on these ports.

// A test program: a broken expectation has to end the test.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, clippy::format_collect)]

mod app;
mod fetch;
mod kv;
mod limits;
mod sqlite;
mod system;

pub use app::{App, Reply, draft};
pub use fetch::NativeFetch;
pub use kv::MemoryKv;
pub use limits::Limits;
pub use sqlite::{Sqlite, migrations};
pub use system::{Later, OsRandom, TestClient, TestClock};
