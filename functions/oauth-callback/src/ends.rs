//! The two ends of a sign-in.

use http::StatusCode;
use kernel::Result;
use postern_core::Platform;
use postern_core::oauth::outcome::{Finished, Unfinished};
use postern_core::oauth::receipt;
use postern_core::upstream::validation::try_later;
use web::html::{Action, page};
use web::{Html, Redirect};

/// Sends the person back, and reads the catalogue with the new credential.
pub(super) fn connected(platform: &Platform, finished: Finished) -> Result<Redirect> {
    let Finished { integration, owner, owner_name, host, place } = finished;
    let cookie = receipt::cookie(platform, &owner_name, &integration, host.as_deref())?;
    // The upstream may list its tools only to connected users.
    try_later(platform, integration, owner);
    Ok(Redirect::To { place, cookie })
}

/// Returns the page that says why a sign-in did not work.
pub(super) fn not_connected(unfinished: &Unfinished) -> Html {
    Html(page(StatusCode::BAD_REQUEST, "Not connected", &unfinished.0, &Action::None))
}
