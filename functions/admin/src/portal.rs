//! `GET /portal/admin/connections`: the page on which a sign-in ends that an administrator started.

use kernel::Result;
use postern_core::oauth::receipt;
use postern_core::{Family, Platform};
use web::{Anyone, Head, Html, Public};

pub(super) fn routes(family: Family<Public>) -> Family<Public> {
    family
        .tag("Sign-in", "For browsers and authorization servers; none of it needs a key.")
        .get("/portal/admin/connections", page)
        .summary("getPortalConnected", "The last page of an administrator's authorization")
        .returns("A page.")
}

#[allow(clippy::unused_async)] // handlers are async
async fn page(platform: &Platform, _: Anyone, head: Head) -> Result<Html> {
    Ok(receipt::page(platform, &head))
}
