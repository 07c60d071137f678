//! The black-box suite: Postern as its users meet it, on a real runtime, with real MCP servers behind it and real
//! MCP clients before it. One module per subject; each subject has a Postern of its own and shares the upstreams.
//!
//! Run it with `cargo xtask test`, or one subject with `cargo test -p black-box streaming` once the environment
//! variables that `cargo xtask test` prints are set.

mod access;
mod agent_by_hand;
mod audit;
mod bad_input;
mod clients;
mod control;
mod eras;
mod errors;
mod fixtures;
mod lifecycle;
mod port_suite;
mod sessions;
mod streaming;
