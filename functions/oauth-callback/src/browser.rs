//! The cookie that ties an authorization to the browser that started it.

use http::header::COOKIE;
use postern_core::Platform;
use postern_core::oauth::flow::LIFETIME;
use web::Head;

/// Returns the cookie's name. Over https the prefix `__Host-` (RFC 6265bis) keeps other hosts from setting the cookie.
fn name(platform: &Platform) -> &'static str {
    let is_https = platform.settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if is_https { "__Host-postern-connect" } else { "postern-connect" }
}

/// Returns the `Set-Cookie` that gives `secret` to a browser. `SameSite=Lax`, because the callback comes from another
/// site.
pub(super) fn cookie(platform: &Platform, secret: &str) -> String {
    let name = name(platform);
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    let age = LIFETIME.as_secs();
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

/// Returns the secret that this browser was given.
pub(super) fn secret(platform: &Platform, head: &Head) -> Option<String> {
    let name = name(platform);
    let cookies = head.header(&COOKIE)?;
    let value = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='));
    value.map(ToOwned::to_owned)
}
