//! The targets without a database. Each takes any bytes that a peer could send, and panics when a promise of the
//! code is broken.

use kernel::net::{Policy, SafeUrl};
use postern_core::oauth::protected_resource::{ProtectedResource, bearer_parameter};
use postern_core::oauth::server_metadata::ServerMetadata;
use url::Url;

use super::oracle::{assert_dialable, is_loopback};

const DEFAULT: Policy = Policy { allow_loopback: false };
const DEVELOPMENT: Policy = Policy { allow_loopback: true };

/// Parses a URL and checks that only a URL that may be dialled is accepted.
pub fn url(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check_url(text);
    }
}

fn check_url(text: &str) {
    let strict = SafeUrl::parse(text, DEFAULT);
    let lenient = SafeUrl::parse(text, DEVELOPMENT);
    if let Ok(url) = &strict {
        assert_dialable(url.as_str());
        assert_eq!(
            SafeUrl::parse(url.as_str(), DEFAULT).as_ref(),
            Ok(url),
            "the normal form is a safe URL with the same text"
        );
        assert_eq!(lenient.as_ref(), Ok(url), "a stricter policy allows less");
    } else if let Ok(url) = &lenient {
        assert!(is_loopback(url.as_str()), "{} is opened by the development switch", url.as_str());
        assert!(!url.as_str().contains(['#', '\\']));
    }
}

/// Parses a `WWW-Authenticate` header and checks the parameters that are found.
pub fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lower = text.to_ascii_lowercase();
    for name in ["resource_metadata", "scope", "error"] {
        let Some(value) = bearer_parameter(text, name) else { continue };
        assert!(lower.contains("bearer") && lower.contains(name), "{text:?} has no {name}, but {value:?}");
        assert!(value.len() <= text.len() && text.len() <= 8 * 1024);
        // Unescaping removes backslashes and nothing else.
        let mut rest = text.chars();
        assert!(value.chars().all(|c| rest.any(|other| other == c)), "{value:?} is not of {text:?}");
        check_url(&value);
    }
}

/// Reads protected resource metadata (RFC 9728) for a fixed endpoint, and checks which resources cover the endpoint.
pub fn resource_metadata(data: &[u8]) {
    let Ok(found) = serde_json::from_slice::<ProtectedResource>(data) else { return };
    let text = serde_json::to_string(&found).expect("it was JSON");
    assert_eq!(serde_json::from_str::<ProtectedResource>(&text).ok().as_ref(), Some(&found));
    let endpoint = Url::parse("https://mcp.example.com/a/mcp").expect("a URL");
    if found.covers(&endpoint) {
        let resource = Url::parse(&found.resource).expect("a resource that covers a URL is a URL");
        let same = (resource.scheme(), resource.host_str(), resource.port_or_known_default());
        assert_eq!(same, ("https", Some("mcp.example.com"), Some(443)), "{}", found.resource);
        assert!(
            ["/", "/a", "/a/", "/a/mcp", "/a/mcp/"].contains(&trimmed(resource.path())),
            "{}",
            found.resource
        );
    }
    check_url(&found.resource);
    for issuer in &found.authorization_servers {
        check_url(issuer);
    }
}

/// A path without the slashes at its end, which do not count.
fn trimmed(path: &str) -> &str {
    let short = path.trim_end_matches('/');
    if short.is_empty() { "/" } else { short }
}

/// Reads authorization server metadata (RFC 8414) and vets it for the issuer that the metadata names and for another.
pub fn server_metadata(data: &[u8]) {
    let Ok(found) = serde_json::from_slice::<ServerMetadata>(data) else { return };
    let text = serde_json::to_string(&found).expect("it was JSON");
    assert_eq!(serde_json::from_str::<ServerMetadata>(&text).ok().as_ref(), Some(&found));
    let other = format!("{}/", found.issuer);
    assert!(found.clone().vetted(&other, DEFAULT).is_err(), "metadata is accepted for the issuer {other}");
    let announced = found.code_challenge_methods_supported.clone().unwrap_or_default();
    let Ok(vetted) = found.clone().vetted(&found.issuer, DEFAULT) else {
        assert!(!announced.contains(&"S256".to_owned()), "usable metadata is refused");
        return;
    };
    assert!(announced.contains(&"S256".to_owned()), "metadata without PKCE is used");
    for (before, after) in [
        (&found.authorization_endpoint, &vetted.authorization_endpoint),
        (&found.token_endpoint, &vetted.token_endpoint),
        (&found.registration_endpoint, &vetted.registration_endpoint),
        (&found.revocation_endpoint, &vetted.revocation_endpoint),
    ] {
        match (before, after) {
            (Some(before), Some(after)) => {
                assert_eq!(before, after);
                assert_dialable(SafeUrl::parse(after, DEFAULT).expect("a vetted endpoint").as_str());
            }
            (Some(before), None) => check_url(before),
            (None, after) => assert!(after.is_none()),
        }
    }
}
