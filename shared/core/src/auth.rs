//! Who is calling and what they may do: API keys → `Caller` → persona → `authorize`.

pub mod api_key;
pub mod authorize;
pub mod caller;
pub mod glob;
pub mod persona;

pub use authorize::{Decision, Source, authorize, authorize_connection};
pub use caller::{Caller, authenticate};
pub use persona::Persona;
