//! The admin API (`/api/v1/admin/…`), whose errors are problem details (RFC 9457), and the page on which an
//! administrator's sign-in ends.

mod duration;
mod gateway;
mod keys;
mod portal;

use postern_core::auth::AdminKeys;
use postern_core::{Family, Routes};
use web::Public;
use web::dialect::Problem;

/// The families of this function.
pub fn families() -> Vec<Routes> {
    let admin = Family::new("/api/v1/admin", &Problem, AdminKeys)
        .tag("Admin", "The admin API: snake_case, errors as problem details.");
    vec![
        keys::routes(gateway::routes(admin)).routes(),
        portal::routes(Family::new("", &Problem, Public)).routes(),
    ]
}

#[cfg(target_os = "wasi")]
spin_runtime::component!();
