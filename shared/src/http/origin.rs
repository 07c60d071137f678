//! Browser origins (DNS rebinding defence; MCP transport: "servers MUST validate the Origin header").
//!
//! A request without `Origin` comes from no browser page and passes: it still needs a credential. One with an `Origin`
//! passes only for `PUBLIC_URL`, for `ALLOWED_ORIGINS`, and, while `PUBLIC_URL` is a loopback address or unset, for
//! loopback pages that reach us under a loopback name (development tools).

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use url::{Host, Url};

use crate::platform::Settings;
use crate::{Code, Error, Result};

/// Refuses requests of foreign pages with 403.
pub(super) fn check(settings: &Settings, headers: &HeaderMap) -> Result<()> {
    let refused = || Err(Error::new(Code::Forbidden, "requests from this origin are not allowed"));
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return Ok(());
    };
    let Ok(origin) = origin.to_str() else {
        return refused();
    };
    if origins.next().is_some() {
        return refused();
    }
    let public = settings.public_url.as_deref();
    if public == Some(origin) || settings.allowed_origins.iter().any(|allowed| allowed == origin) {
        return Ok(());
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
    let development =
        public.is_none_or(is_loopback) && is_loopback(origin) && host.as_deref().is_some_and(is_loopback);
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
