//! Checks the `Origin` header (against DNS rebinding; MCP transports: "servers MUST validate the Origin header").
//!
//! A request without `Origin` does not come from a page of a browser and passes; it still needs a credential. A request
//! with an `Origin` passes if the origin is `PUBLIC_URL` or one of `ALLOWED_ORIGINS`. While `PUBLIC_URL` is a loopback
//! address or unset, loopback origins pass, too, if the request's `Host` is a loopback address (development tools).

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use kernel::net::is_loopback_url;
use kernel::{Code, Error, Result};

use crate::context::Origins;

/// Fails with 403 if the request's origin is not allowed.
pub(super) fn check(origins: Origins<'_>, headers: &HeaderMap) -> Result<()> {
    let refused = || Err(Error::new(Code::Forbidden, "requests from this origin are not allowed"));
    let mut presented = headers.get_all(ORIGIN).iter();
    let Some(origin) = presented.next() else {
        return Ok(());
    };
    let Ok(origin) = origin.to_str() else {
        return refused();
    };
    if presented.next().is_some() {
        return refused();
    }
    let own = origins.own;
    if own == Some(origin) || origins.allowed.iter().any(|allowed| allowed == origin) {
        return Ok(());
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
    let development = own.is_none_or(is_loopback_url)
        && is_loopback_url(origin)
        && host.as_deref().is_some_and(is_loopback_url);
    if development { Ok(()) } else { refused() }
}
