//! Starting an authorization (RFC 6749 §4.1.1 with PKCE, RFC 8707 and the rules of MCP).
//!
//! (1) A request without a credential gets the upstream's challenge; (2) the authorization server is discovered, as
//! far as the operator has not configured it; (3) the client is found or registered, and its redirect URI chosen; (4)
//! the scope is put together; (5) everything that the callback needs is stored under a fresh state, for one use within ten minutes; (6) the
//! authorization URL is built.

use std::time::Duration;

use async_recursion::async_recursion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::OauthError;
use super::client::public_url;
use super::discovery::{client, find_server, resource, scope};
use super::redirect;
use crate::Platform;
use crate::model::auth_event::EventType;
use crate::model::credential::origin_of;
use crate::model::integration::{AuthMode, Integration};
use crate::model::oauth_flow::Flow;
use crate::store::{auth_events, oauth_flows};
use kernel::digest::sha256_hex;
use kernel::net::SafeUrl;
use kernel::ports::Timestamp;
use kernel::schema::{BASE64URL, schema_type, text};
use kernel::secret::Secret;
use kernel::{Error, Result};
use utoipa::openapi::schema::ObjectBuilder;

/// How long a person may take to finish an authorization.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// Size of a state before it is encoded.
const STATE_BYTES: usize = 32;

/// What is to be authorized, by whom and for whom.
pub struct Start<'a> {
    /// The integration to connect.
    pub integration: &'a Integration,
    /// Owner of the future credential: a caller's subject, or the organization.
    pub owner: &'a str,
    /// Subject of the caller that starts the authorization.
    pub actor: &'a str,
    /// The callback path, one of [`super::client::CALLBACKS`].
    pub callback: &'static str,
    /// Where the person is sent afterwards, checked by [`check_return_url`].
    pub return_url: Option<String>,
    /// The secret in the cookie of the browser that starts the authorization, if a browser does: only that browser
    /// may finish.
    pub browser: Option<&'a str>,
}

/// A started authorization.
#[derive(Debug)]
pub struct Started {
    /// Where the person is sent.
    pub authorization_url: String,
    /// The state parameter.
    pub state: String,
    /// Where the authorization server redirects the person to.
    pub redirect_uri: String,
    /// When the authorization expires.
    pub expires_at: Timestamp,
}

/// Starts an authorization. Fails if the authorization server cannot be found, reached or used.
#[async_recursion(?Send)]
pub async fn begin(platform: &Platform, start: &Start<'_>) -> Result<Started, OauthError> {
    let integration = start.integration;
    let config = integration.content.oauth.clone().unwrap_or_default();
    let origin = public_url(platform)?;
    // (1), (2)
    let server = find_server(platform, integration, &config).await?;
    let endpoint = server.authorization_endpoint.as_deref();
    let endpoint =
        endpoint.ok_or_else(|| OauthError::unusable("the authorization server takes no people"))?;
    let url = SafeUrl::parse(endpoint, platform.settings.net)
        .map_err(|_| {
            OauthError::unusable("the authorization endpoint is not a URL that people may be sent to")
        })?
        .as_url()
        .clone();
    // (3)
    let client = client(platform, integration, &config, server.metadata.as_ref()).await?;
    let redirect_uri = redirect::uri(platform, origin, start.callback, &config, &client, &server)?;
    // (4)
    let scope = scope(platform, integration, &config, start.owner, &server).await?;
    let resource = resource(&config, integration, &server);
    // (5)
    let verifier = Secret::new(URL_SAFE_NO_PAD.encode(platform.random::<64>()?));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()));
    let state = URL_SAFE_NO_PAD.encode(platform.random::<STATE_BYTES>()?);
    let metadata = server.metadata.as_ref();
    let flow = Flow {
        verifier,
        issuer: metadata.map(|metadata| metadata.issuer.clone()),
        iss_required: metadata.is_some_and(|found| found.authorization_response_iss_parameter_supported),
        token_endpoint: server.token_endpoint.clone(),
        revocation_endpoint: metadata.and_then(|metadata| metadata.revocation_endpoint.clone()),
        resource,
        scope,
        redirect_uri: redirect_uri.clone(),
        client,
        return_url: start.return_url.clone(),
        browser: start.browser.map(|secret| sha256_hex(secret.as_bytes())),
        actor: start.actor.to_owned(),
        origin: origin_of(&integration.content.url),
    };
    let expires_at = platform.now() + LIFETIME;
    oauth_flows::insert(platform, &integration.id, start.owner, &state, &flow, expires_at).await?;
    let event = EventType::ConnectStarted;
    auth_events::record(platform, integration, start.owner, event, start.actor, url.host_str(), None).await?;
    // (6)
    let authorization_url = authorization_url(url, &flow, &state, &challenge, config.prompt.as_deref());
    Ok(Started { authorization_url, state, redirect_uri, expires_at })
}

/// Returns the schema of states.
pub fn state_schema() -> ObjectBuilder {
    let length = Some((STATE_BYTES * 4).div_ceil(3));
    text(BASE64URL).min_length(length).max_length(length)
}

/// Returns the authorization URL (RFC 6749 §4.1.1). Parameters in the query of the endpoint's own URL stay.
fn authorization_url(
    mut url: Url,
    flow: &Flow,
    state: &str,
    challenge: &str,
    prompt: Option<&str>,
) -> String {
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &flow.client.client_id)
        .append_pair("redirect_uri", &flow.redirect_uri)
        .append_pair("state", state)
        .append_pair("code_challenge", challenge)
        .append_pair("code_challenge_method", "S256");
    let optional =
        [("scope", flow.scope.as_deref()), ("resource", flow.resource.as_deref()), ("prompt", prompt)];
    for (name, value) in optional {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url.into()
}

/// Longest return URL.
const LONGEST_RETURN_URL: usize = 2048;

/// Checks the URL that a person is sent to afterwards: a path on Postern's own origin.
pub fn check_return_url(url: Option<String>) -> Result<Option<String>> {
    let Some(url) = url else { return Ok(None) };
    let is_relative = url.starts_with('/') && !url.starts_with("//") && !url.starts_with("/\\");
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':' && byte != b'\\');
    if is_relative && is_plain && url.len() <= LONGEST_RETURN_URL {
        Ok(Some(url))
    } else {
        Err(Error::invalid("the return URL must be a path that begins with one / and has no colon"))
    }
}

schema_type! {
    /// The URL that a person is sent to afterwards, see [`check_return_url`].
    ReturnPath, return_path()
}

fn return_path() -> ObjectBuilder {
    text(r"^/(?:[!-.0-9;-\[\]-~][!-9;-\[\]-~]*)?$").max_length(Some(LONGEST_RETURN_URL)).description(Some(
        "A path of this deployment, with a query and a fragment if need be: visible ASCII that begins with exactly \
         one `/` and has neither colon nor backslash.",
    ))
}

/// Fails with a conflict if no person can connect to the integration: without OAuth, or with the client credentials
/// grant.
pub fn check_connectable(integration: &Integration) -> Result<()> {
    let config = integration.content.oauth.as_ref();
    if integration.content.auth_mode != AuthMode::Oauth
        || config.is_some_and(crate::model::oauth::OauthConfig::is_client_credentials)
    {
        return Err(Error::conflict("connection is not configured for authorization_code OAuth"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_urls_must_be_paths_on_posterns_own_origin() {
        let check = |url: &str| check_return_url(Some(url.to_owned()));
        for good in ["/", "/portal?x=1&y=%3A", "/a/b#c"] {
            assert_eq!(check(good).unwrap().as_deref(), Some(good));
        }
        for bad in [
            "",
            "portal",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a:b",
            "/a\nb",
            "/a\\b",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&format!("/{}", "x".repeat(2048))).is_err());
        assert_eq!(check_return_url(None).unwrap(), None);
    }
}
