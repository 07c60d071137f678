//! Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0): an authorization server's endpoints and
//! features.
//!
//! (1) The well-known URLs are tried in the order that MCP names; (2) the document's `issuer` must be the identifier
//! that was asked for, byte for byte; (3) PKCE with S256 must be announced; (4) an endpoint that `net` refuses counts
//! as absent.

use std::time::Duration;

use async_recursion::async_recursion;
use serde::{Deserialize, Serialize};
use url::Url;

use super::OauthError;
use super::http::get;
use crate::Platform;
use kernel::Result;
use kernel::kv;
use kernel::kv::Family;
use kernel::net::{Policy, SafeUrl};

/// The members of the metadata that Postern uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct ServerMetadata {
    /// The issuer identifier.
    pub issuer: String,
    /// Endpoint that people are sent to.
    #[serde(default)]
    pub authorization_endpoint: Option<String>,
    /// Endpoint that issues tokens.
    #[serde(default)]
    pub token_endpoint: Option<String>,
    /// Endpoint that registers clients (RFC 7591).
    #[serde(default)]
    pub registration_endpoint: Option<String>,
    /// Endpoint that revokes tokens (RFC 7009).
    #[serde(default)]
    pub revocation_endpoint: Option<String>,
    /// PKCE methods (RFC 7636).
    #[serde(default)]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// How clients authenticate at the token endpoint; absent means `client_secret_basic`.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Scopes that the server lists.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// Whether the callback carries `iss` (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether a client id may be the URL of a Client ID Metadata Document.
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
}

/// Documents in KV, kept as long as the server's `Cache-Control` allows. Documents are public, so the key carries no
/// owner.
struct Cached;

impl Family for Cached {
    const PREFIX: &'static str = "as-metadata:";
    type Key = String;
    type Value = ServerMetadata;
}

/// Returns the metadata of `issuer`, from KV or from the server. Fails if the server cannot be reached, publishes no
/// metadata, or publishes metadata that is not usable.
#[async_recursion(?Send)]
pub async fn discover(platform: &Platform, issuer: &str) -> Result<ServerMetadata, OauthError> {
    let refused = || OauthError::unusable("the issuer identifier of the authorization server is not usable");
    SafeUrl::parse(issuer, platform.settings.net).map_err(|_| refused())?;
    let base = Url::parse(issuer).map_err(|_| refused())?;
    let key = issuer.to_owned();
    if let Some(cached) = kv::get::<Cached>(platform, &key).await {
        return Ok(cached);
    }
    let mut unreachable = false;
    for place in places(&base) {
        let Ok(url) = SafeUrl::parse(&place, platform.settings.net) else { continue };
        let answer = match get(platform, url).await {
            Ok(answer) => answer,
            Err(error) => {
                log::info!("authorization server metadata: {error:?}");
                unreachable = true;
                continue;
            }
        };
        let lifetime = answer.lifetime();
        let document = answer.json.filter(|_| answer.status == 200);
        let Some(found) = document.and_then(|json| serde_json::from_value::<ServerMetadata>(json).ok())
        else {
            continue;
        };
        let found = found.vetted(issuer, platform.settings.net)?;
        if lifetime > Duration::ZERO {
            kv::put::<Cached>(platform, &key, &found, lifetime).await;
        }
        return Ok(found);
    }
    if unreachable {
        return Err(OauthError::transient("the authorization server cannot be reached"));
    }
    Err(OauthError::unusable("the authorization server publishes no metadata"))
}

impl ServerMetadata {
    /// Checks the metadata: it must name the issuer that was asked for and announce PKCE with S256. Returns the
    /// metadata without the endpoints that Postern may not dial or send people to.
    pub fn vetted(mut self, issuer: &str, policy: Policy) -> Result<Self, OauthError> {
        if self.issuer != issuer {
            return Err(OauthError::unusable("the authorization server's metadata names another issuer"));
        }
        let methods = self.code_challenge_methods_supported.as_deref().unwrap_or_default();
        if !methods.iter().any(|method| method == "S256") {
            return Err(OauthError::unusable("the authorization server does not announce PKCE with S256"));
        }
        for (name, endpoint) in [
            ("authorization", &mut self.authorization_endpoint),
            ("token", &mut self.token_endpoint),
            ("registration", &mut self.registration_endpoint),
            ("revocation", &mut self.revocation_endpoint),
        ] {
            if let Some(Err(why)) = endpoint.as_deref().map(|url| SafeUrl::parse(url, policy)) {
                log::info!("authorization server metadata: {name} endpoint: {why}");
                *endpoint = None;
            }
        }
        Ok(self)
    }
}

/// Returns the URLs to try: RFC 8414 §3.1 with the path inserted, then OpenID Connect Discovery with the path
/// inserted and with the path in front. If the issuer has a path, the well-known URLs of its origin are never tried.
fn places(issuer: &Url) -> Vec<String> {
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url.to_string()
    };
    let path = issuer.path().trim_end_matches('/');
    let mut places = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        places.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_urls_contain_the_issuers_path() {
        let of = |issuer: &str| places(&Url::parse(issuer).unwrap());
        assert_eq!(
            of("https://as.example/t1"),
            [
                "https://as.example/.well-known/oauth-authorization-server/t1",
                "https://as.example/.well-known/openid-configuration/t1",
                "https://as.example/t1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            of("https://as.example/"),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn issuers_are_compared_byte_for_byte_and_pkce_is_required() {
        let document = |issuer: &str, methods: &str| -> ServerMetadata {
            let text = format!(r#"{{"issuer":"{issuer}","code_challenge_methods_supported":{methods}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let asked = "https://as.example";
        let vet = |found: ServerMetadata| found.vetted(asked, Policy::default());
        assert!(vet(document(asked, r#"["plain","S256"]"#)).is_ok());
        for (issuer, methods) in [
            ("https://as.example/", r#"["S256"]"#),
            ("https://AS.example", r#"["S256"]"#),
            ("https://evil.example", r#"["S256"]"#),
            (asked, r#"["plain"]"#),
            (asked, "null"),
        ] {
            assert!(vet(document(issuer, methods)).is_err(), "{issuer} {methods}");
        }
    }

    #[test]
    fn an_endpoint_that_may_not_be_dialled_is_dropped() {
        let issuer = "https://as.example";
        let found = ServerMetadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: Some("javascript:alert(1)".to_owned()),
            token_endpoint: Some("https://as.example/token".to_owned()),
            registration_endpoint: Some("https://10.0.0.1/register".to_owned()),
            revocation_endpoint: Some("http://as.example/revoke".to_owned()),
            code_challenge_methods_supported: Some(vec!["S256".to_owned()]),
            ..ServerMetadata::default()
        };
        let found = found.vetted(issuer, Policy::default()).unwrap();
        assert_eq!(found.token_endpoint.as_deref(), Some("https://as.example/token"));
        let others =
            [&found.authorization_endpoint, &found.registration_endpoint, &found.revocation_endpoint];
        assert_eq!(others, [&None, &None, &None]);
    }
}
