//! The cookies that tie a sign-in to one browser, and the one from which the last page reads what is connected.

use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};
use kernel::{Error, Result};
use web::{Head, Response};

use super::flow::LIFETIME;
use crate::Platform;

/// Cookie of the browser in which a person pressed the button of a connect link.
pub const CONNECT: &str = "postern-connect";
/// Cookie of the browser whose sign-in has just ended, see [`super::receipt`].
pub const CONNECTED: &str = "postern-connected";

/// Returns the name of a cookie. Over https the prefix `__Host-` (RFC 6265bis) keeps other hosts from setting the
/// cookie.
fn full_name(platform: &Platform, name: &str) -> String {
    let prefix = if is_https(platform) { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

fn is_https(platform: &Platform) -> bool {
    platform.settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
}

/// Returns the `Set-Cookie` that gives `value` to a browser. `SameSite=Lax`, because the callback comes from another
/// site.
pub fn cookie(platform: &Platform, name: &str, value: &str) -> String {
    let secure = if is_https(platform) { "; Secure" } else { "" };
    let (name, age) = (full_name(platform, name), LIFETIME.as_secs());
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

/// Gives `value` to the browser that gets `response`.
pub fn give(platform: &Platform, response: &mut Response, name: &str, value: &str) -> Result<()> {
    let cookie = HeaderValue::from_str(&cookie(platform, name, value));
    let cookie = cookie.map_err(|error| Error::internal(error.to_string()))?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(())
}

/// Returns the value of the browser's cookie.
pub fn value(platform: &Platform, head: &Head, name: &str) -> Option<String> {
    let name = full_name(platform, name);
    let cookies = head.header(&COOKIE)?;
    let value =
        cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(name.as_str())?.strip_prefix('='));
    value.map(ToOwned::to_owned)
}
