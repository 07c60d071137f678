//! A hostile URL is refused where a caller enters it, and never requested where Postern discovers it: in a challenge,
//! in either kind of metadata, as the target of a redirect, on an event stream.

#[path = "../../../../shared/core/tests/suite/corpus/mod.rs"]
mod corpus;
mod discovered;
mod entered;
mod redirects;
pub(crate) mod web;
