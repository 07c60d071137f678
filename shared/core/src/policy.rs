//! What a caller may do: roles select a persona, and a persona's patterns decide.

pub mod authorize;
pub mod glob;
pub mod persona;

pub use authorize::{Decision, Source, authorize, authorize_connection};
pub use persona::Persona;
