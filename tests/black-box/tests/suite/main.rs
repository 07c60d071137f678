//! The black-box suite: Postern as its users meet it, on a real runtime, with real MCP servers behind it and real
//! MCP clients before it. One module per subject; each subject has a Postern of its own and shares the upstreams.
//!
//! Run it with `cargo xtask test`, or one subject with `cargo test -p black-box streaming` once the environment
//! variables that `cargo xtask test` prints are set.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic, also in the functions that it calls"
)]
#![allow(clippy::needless_pass_by_value, reason = "JSON written at the place of use reads best without `&`")]

mod acceptance;
mod access;
mod agent_by_hand;
mod audit;
mod bad_input;
mod clients;
mod control;
mod dialects;
mod drift;
mod eras;
mod errors;
mod fixtures;
mod health;
mod kill;
mod lifecycle;
mod oauth;
mod port_suite;
mod presentation;
mod real_upstreams;
mod registry;
mod rules;
mod secrets;
mod sessions;
mod streaming;
mod upstream_failures;
mod validation;
