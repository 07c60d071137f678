//! The black-box suite: Postern on a real runtime, with real MCP servers as upstreams and real MCP clients as
//! agents. One module per subject; each subject starts its own Postern, and all subjects share the upstreams.
//!
//! `cargo xtask test` runs the suite. `cargo test -p black-box streaming` runs one subject, when the environment
//! variables of `black_box::environment` are set.

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
mod credentials;
mod dialects;
mod documents;
mod drift;
mod eras;
mod errors;
mod fixtures;
mod health;
mod keys;
mod kill;
mod leaving;
mod lifecycle;
mod limits;
mod oauth;
mod port_suite;
mod presentation;
mod real_upstreams;
mod registry;
mod remote_sqlite;
mod rules;
mod secrets;
mod sessions;
mod streaming;
mod upstream_failures;
mod validation;
