//! Protected resource metadata (RFC 9728): which authorization servers an MCP server trusts.
//!
//! The document is looked for (1) at the URL in the `resource_metadata` parameter of the server's `WWW-Authenticate`
//! challenge, (2) at the well-known URL with the endpoint's path inserted, (3) at the well-known URL of the
//! endpoint's origin.

use async_recursion::async_recursion;
use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use serde::{Deserialize, Serialize};
use url::Url;

use super::OauthError;
use super::http::get;
use crate::Platform;
use kernel::net::SafeUrl;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// Longest challenge that is parsed, in bytes.
const LONGEST_CHALLENGE: usize = 8 * 1024;

/// The members of the metadata that Postern uses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ProtectedResource {
    /// The resource identifier; the value of `resource` in authorization and token requests (RFC 8707).
    pub resource: String,
    /// Issuer identifiers of the authorization servers that the resource trusts.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// Scopes that the resource lists.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
}

impl ProtectedResource {
    /// Returns `true` if the metadata is for `endpoint` (RFC 9728 §3.3, as MCP reads it): the identifier is the
    /// endpoint's URL, or a URL above the endpoint on the same origin.
    pub fn covers(&self, endpoint: &Url) -> bool {
        Url::parse(&self.resource).is_ok_and(|resource| {
            let path = resource.path().trim_end_matches('/');
            let below = endpoint.path().strip_prefix(path);
            resource.origin() == endpoint.origin()
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// Returns the metadata of the MCP server at `endpoint`, whose 401 carried `challenge`; `None` if the server
/// publishes none or names no authorization server. The first document found decides: if it is for another resource,
/// `discover` fails and does not look further.
#[async_recursion(?Send)]
pub async fn discover(
    platform: &Platform,
    endpoint: &SafeUrl,
    challenge: Option<&str>,
) -> Result<Option<ProtectedResource>, OauthError> {
    for place in places(endpoint.as_url(), challenge) {
        let Ok(url) = SafeUrl::parse(&place, platform.settings.net) else { continue };
        let Ok(answer) = get(platform, url).await else { continue };
        let document = answer.json.filter(|_| answer.status == 200);
        let Some(found) = document.and_then(|json| serde_json::from_value::<ProtectedResource>(json).ok())
        else {
            continue;
        };
        if !found.covers(endpoint.as_url()) {
            return Err(OauthError::unusable(
                "the upstream's protected resource metadata is for another resource",
            ));
        }
        return Ok(Some(found).filter(|found| !found.authorization_servers.is_empty()));
    }
    Ok(None)
}

fn places(endpoint: &Url, challenge: Option<&str>) -> Vec<String> {
    let at = |path: &str| {
        let mut url = endpoint.clone();
        url.set_query(None);
        url.set_path(&format!("{WELL_KNOWN}{path}"));
        url.to_string()
    };
    let announced = challenge.and_then(|challenge| bearer_parameter(challenge, "resource_metadata"));
    let mut places: Vec<String> = announced.into_iter().collect();
    for path in [endpoint.path().trim_end_matches('/'), ""] {
        let place = at(path);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Returns a parameter of the `Bearer` challenge in a `WWW-Authenticate` header (RFC 9110 §11.6.1). A header that
/// does not parse has no parameters: no peer can make this function fail.
pub fn bearer_parameter(challenge: &str, name: &str) -> Option<String> {
    if challenge.len() > LONGEST_CHALLENGE {
        return None;
    }
    ChallengeParser::new(challenge)
        .map_while(Result::ok)
        .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))
        .flat_map(|ChallengeRef { params, .. }| params)
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_unescaped())
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_challenge_that_parses_has_parameters() {
        let header =
            r#"Basic realm="x", Bearer error="invalid_token", resource_metadata="https://a.example/\"m""#;
        assert_eq!(bearer_parameter(header, "resource_metadata").as_deref(), Some("https://a.example/\"m"));
        for other in [
            "",
            "Bearer",
            "Basic resource_metadata=\"u\"",
            "Bearer resource_metadata",
            "\u{0}",
            "Bearer a=\"",
            ",,,",
        ] {
            assert_eq!(bearer_parameter(other, "resource_metadata"), None, "{other:?}");
        }
    }

    #[test]
    fn the_announced_url_is_tried_before_the_well_known_ones() {
        let endpoint = Url::parse("https://mcp.example/a/mcp?x=1").unwrap();
        let challenge = r#"Bearer resource_metadata="https://meta.example/m""#;
        assert_eq!(
            places(&endpoint, Some(challenge)),
            [
                "https://meta.example/m",
                "https://mcp.example/.well-known/oauth-protected-resource/a/mcp",
                "https://mcp.example/.well-known/oauth-protected-resource",
            ]
        );
        assert_eq!(places(&Url::parse("https://mcp.example/").unwrap(), None).len(), 1);
    }

    #[test]
    fn metadata_covers_its_own_resource_and_paths_below() {
        let endpoint = Url::parse("https://mcp.example/a/mcp").unwrap();
        let covers = |resource: &str| {
            let (authorization_servers, scopes_supported) = (Vec::new(), Vec::new());
            let resource = resource.to_owned();
            ProtectedResource { resource, authorization_servers, scopes_supported }.covers(&endpoint)
        };
        for good in [
            "https://mcp.example/a/mcp",
            "https://mcp.example/a",
            "https://mcp.example",
            "https://mcp.example/",
        ] {
            assert!(covers(good), "{good}");
        }
        for bad in [
            "https://mcp.example/a/m",
            "https://other.example/a/mcp",
            "http://mcp.example/a/mcp",
            "mcp",
            "https://mcp.example/b",
        ] {
            assert!(!covers(bad), "{bad}");
        }
    }
}
