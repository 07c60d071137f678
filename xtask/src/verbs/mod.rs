//! One module per verb.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod conformance;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod manifests;
pub(crate) mod modules;
pub(crate) mod openapi;
pub(crate) mod setup;
pub(crate) mod sizes;
pub(crate) mod soak;
pub(crate) mod spin;
pub(crate) mod test;
