//! Browser origins (DNS rebinding defence; MCP transport: "servers MUST validate the Origin header").
//!
//! A request without `Origin` comes from no browser page and passes: it still needs a credential. One with an `Origin`
//! passes only for `PUBLIC_URL`, for `ALLOWED_ORIGINS`, and, while `PUBLIC_URL` is a loopback address or unset, for
//! loopback pages that reach Postern under a loopback name (development tools).

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use kernel::{Code, Error, Result};
use url::{Host, Url};

use crate::context::Origins;

/// Refuses requests of foreign pages with 403.
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
    let development =
        own.is_none_or(is_loopback) && is_loopback(origin) && host.as_deref().is_some_and(is_loopback);
    if development { Ok(()) } else { refused() }
}

fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
