//! Redirect URIs, and what keeps a code from the wrong token endpoint (mix-up, RFC 9700 §4.4).
//!
//! A hostile authorization server can send a person on to an honest one, where Postern has a client too, and wait for
//! the honest server's code at its own token endpoint. `iss` (RFC 9207) gives that away, where the honest server sends
//! it. Where it does not, the redirect URI does: each authorization server has one of its own, so the honest server
//! refuses the URI that belongs to the hostile one, and a code that comes back at another URI than the one of its
//! authorization is not exchanged. So endpoints of different hosts are no risk there; Google's are such.
//!
//! Two kinds of clients have redirect URIs that all servers share: those that an operator registered by hand at the paths
//! of [`CALLBACKS`], unless `redirectPerIssuer` is set, and Postern's Client ID Metadata Document, which any server
//! accepts with any redirect URI that is in it. For them something else has to vouch for the token endpoint: the operator,
//! by configuring the issuer or both endpoints; `iss`, if the server promises to send it; or the host, which must be that
//! of the authorization endpoint, or one of the two must be below the other.
//!
//! [`CALLBACKS`]: super::client::CALLBACKS

use url::{Host, Url};

use super::OauthError;
use super::client::{is_document, redirect_uri};
use super::discovery::Server;
use crate::Platform;
use crate::model::oauth::OauthConfig;
use crate::model::oauth_client::OauthClient;

/// Returns the redirect URI of an authorization by `client` at `server`. Fails if the client's redirect URI is one that
/// servers share, and nothing vouches for the token endpoint.
pub(super) fn uri(
    platform: &Platform,
    origin: &str,
    callback: &str,
    config: &OauthConfig,
    client: &OauthClient,
    server: &Server,
) -> Result<String, OauthError> {
    let is_by_hand = !client.registered && !is_document(platform, client);
    if client.registered || (is_by_hand && config.redirect_per_issuer) {
        let issuer = server.metadata.as_ref().map(|metadata| metadata.issuer.as_str());
        return Ok(redirect_uri(origin, callback, issuer.unwrap_or(&server.token_endpoint)));
    }
    let sends_iss =
        server.metadata.as_ref().is_some_and(|found| found.authorization_response_iss_parameter_supported);
    let authorization = server.authorization_endpoint.as_deref().unwrap_or_default();
    if config.names_server() || sends_iss || are_related(authorization, &server.token_endpoint) {
        return Ok(format!("{origin}{callback}"));
    }
    Err(OauthError::unusable(
        "the authorization server's authorization and token endpoints are at different hosts: if that is right, set \
         oauth.issuer",
    ))
}

/// Returns `true` if both URLs have the same host, or the host of one is below that of the other.
fn are_related(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (Url::parse(one), Url::parse(other)) else { return false };
    match (one.host(), other.host()) {
        (Some(Host::Domain(one)), Some(Host::Domain(other))) => {
            one == other || is_below(one, other) || is_below(other, one)
        }
        (one, other) => one.is_some() && one == other,
    }
}

/// Returns `true` if `host` is a subdomain of `domain`, which must not be a top-level domain.
fn is_below(host: &str, domain: &str) -> bool {
    domain.contains('.') && host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_related_if_equal_or_one_is_below_the_other() {
        for (one, other, expected) in [
            ("https://as.example/authorize", "https://as.example:8443/token", true),
            ("https://mcp.vendor.example/a", "https://cf.mcp.vendor.example/t", true),
            ("https://token.as.example/a", "https://as.example/t", true),
            ("https://login.vendor.example/a", "https://api.vendor.example/t", false),
            ("https://honest.example/a", "https://evil.example/t", false),
            ("https://example/a", "https://evil.example/t", false),
            ("https://notas.example/a", "https://as.example/t", false),
            ("https://8.8.8.8/a", "https://8.8.8.8/t", true),
            ("https://8.8.8.8/a", "https://8.8.4.4/t", false),
            ("", "", false),
        ] {
            assert_eq!(are_related(one, other), expected, "{one} {other}");
        }
    }
}
