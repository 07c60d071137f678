//! Tests of the whole tree on the native ports: house rules, files that must agree, the OpenAPI document, the port
//! suite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::duration_suboptimal_units,
    reason = "a test may panic, also in the functions that it calls"
)]

mod audit;
mod document;
mod drift;
mod house;
mod limits;
mod openapi;
mod port_suite;
mod schemas;
mod tree;
