//! What is done with an upstream MCP server as a whole.

pub mod dial;
pub mod validation;
