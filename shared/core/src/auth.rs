//! Authentication by API key and by the scheduler's token, and the identities that handlers demand.

mod api_key;
pub mod caller;
mod identity;
mod scheduler;

pub use caller::{Caller, SERVICE};
pub use identity::{Admin, AdminKeys, ApiKeys, User};
pub use scheduler::{Scheduler, SchedulerToken};
