//! Bringing integrations into the registry: what a client wants (`draft`), and storing it under its slug (`place`). The
//! same for every dialect that can create one or bring one back.

pub mod draft;
pub mod place;
