//! `GET /portal/admin/connections`: the page on which a sign-in ends that an administrator started.

use http::StatusCode;
use kernel::Result;
use postern_core::{Family, Platform};
use web::html::connected;
use web::{Anyone, Html, Public};

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    family
        .tag("Sign-in", "For browsers and authorization servers; none of it needs a key.")
        .get("/portal/admin/connections", page)
        .summary("getPortalConnected", "The last page of an administrator's authorization")
        .returns("A page.")
}

#[allow(clippy::unused_async)] // handlers are async
async fn page(_platform: &Platform, _: Anyone) -> Result<Html> {
    Ok(connected(StatusCode::OK))
}
