//! The base of all other crates: errors, secrets and how they are sealed, the rules for upstream URLs, the ports that a
//! runtime must provide, and typed caches over the key-value port and the instance's memory.
//!
//! Architecture invariant: this crate knows no protocol (MCP, OAuth, HTTP routing) and nothing of the product.

pub mod digest;
pub mod error;
pub mod kv;
pub mod memory;
pub mod net;
pub mod ports;
pub mod schema;
pub mod seal;
pub mod secret;
pub mod text;
pub mod time;

pub use error::{Code, Error, Reason, Result};

/// The version that `/health`, `serverInfo` and `User-Agent` show.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
