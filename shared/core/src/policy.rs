//! Authorization: a caller's roles select a persona, and the persona's patterns decide which tools and integrations the
//! caller may use.

pub mod authorize;
pub mod glob;
pub mod persona;

pub use authorize::{Decision, Source, authorize, authorize_connection};
pub use persona::Persona;
