//! The integration tests of this crate, one module per subject, in one program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::duration_suboptimal_units,
    reason = "a test may panic, also in the functions that it calls"
)]

mod retention;
mod validate;
