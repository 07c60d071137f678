//! The routes for browsers and authorization servers: the callbacks of all dialects, the page that starts an
//! authorization in a browser, the page on which one that was started through an API is confirmed, and Postern's Client
//! ID Metadata Document. No route needs an API key: a state or a ticket identifies the user.

mod callback;
mod confirm;
mod connect;
mod ends;
mod metadata;

use postern_core::{Family, Routes};
use web::Public;
use web::dialect::Problem;

/// The families of this function.
pub fn families() -> Vec<Routes> {
    let family = |prefix| {
        Family::new(prefix, &Problem, Public)
            .tag("Sign-in", "For browsers and authorization servers; none of it needs a key.")
    };
    let sign_in = metadata::routes(confirm::routes(connect::routes(callback::routes(family("/oauth")))));
    // The callback paths of the other dialects begin with those dialects' prefixes, so their family has no prefix.
    vec![sign_in.routes(), callback::routes_elsewhere(family("")).routes()]
}

#[cfg(target_os = "wasi")]
spin_runtime::component!();
