//! A hostile URL is refused where it enters and never dialled where it is discovered: as an integration's URL, in a
//! challenge, in either kind of metadata, as the target of a redirect, on an event stream.

// A test program: whatever is not as expected has to end the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::duration_suboptimal_units
)]

#[path = "../../../../shared/tests/corpus/mod.rs"]
mod corpus;
mod discovered;
mod entered;
mod redirects;
mod web;
