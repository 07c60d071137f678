//! Everything that more than one function needs: the model, where it is kept, how Postern speaks MCP, who may
//! call what, and how requests are answered. Names no runtime: `platform` says what a runtime must give.

pub mod auth;
pub mod error;
pub mod http;
pub mod instance;
pub mod mcp;
pub mod model;
pub mod net;
pub mod oauth;
pub mod platform;
#[cfg(feature = "port-suite")]
pub mod port_suite;
pub mod registry;
pub mod seal;
pub mod store;
pub mod vault;

pub use error::{Code, Error, Result};
pub use platform::Platform;

/// The version that `/health`, `serverInfo` and `User-Agent` show.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
