//! Starting an authorization (RFC 6749 §4.1.1 with PKCE, RFC 8707 and MCP's rules).
//!
//! (1) The upstream is asked without a credential, for its challenge; (2) its authorization server is found, as far as
//! the operator has not named it; (3) the client; (4) the scope; (5) everything that the callback will need is put
//! under a fresh state, once, for ten minutes; (6) the URL is made.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::OauthError;
use super::client::{Client, identify, public_url};
use super::protected_resource::{self, ProtectedResource, bearer_parameter};
use super::server_metadata::{self, ServerMetadata};
use crate::mcp::probe::challenge;
use crate::model::auth_event::EventType;
use crate::model::integration::{AuthMode, Integration};
use crate::model::oauth::OauthConfig;
use crate::net::SafeUrl;
use crate::platform::Timestamp;
use crate::seal::{Secret, sha256_hex};
use crate::store::{auth_events, credentials, oauth_flows};
use crate::{Error, Platform, Result, vault};

/// How long a person may take.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// Who starts an authorization, and for whom.
pub struct Start<'a> {
    /// The integration to connect.
    pub integration: &'a Integration,
    /// Whose credential it will be: a caller's subject, or the organization.
    pub owner: &'a str,
    /// Who asks for it.
    pub actor: &'a str,
    /// The callback path, one of [`super::client::CALLBACKS`].
    pub callback: &'static str,
    /// Where the person goes afterwards, checked by [`check_return_url`].
    pub return_url: Option<String>,
    /// The secret of the browser that started it, where one did: only that one may finish it.
    pub browser: Option<&'a str>,
}

/// An authorization that was started.
#[derive(Debug)]
pub struct Started {
    /// Where the person goes.
    pub authorization_url: String,
    /// The state parameter.
    pub state: String,
    /// Where they come back to.
    pub redirect_uri: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What the callback needs.
#[derive(Deserialize)]
pub struct Flow {
    /// PKCE verifier (RFC 7636 §4.1).
    pub verifier: Secret<String>,
    /// The issuer that the person was sent to; `None` where the operator named the endpoints only.
    pub issuer: Option<String>,
    /// Whether its callback must carry `iss`.
    pub iss_required: bool,
    /// Token endpoint.
    pub token_endpoint: String,
    /// Revocation endpoint.
    pub revocation_endpoint: Option<String>,
    /// The resource asked for.
    pub resource: Option<String>,
    /// The scope asked for.
    pub scope: Option<String>,
    /// The redirect URI, exactly as it was sent.
    pub redirect_uri: String,
    /// The client.
    pub client: Client,
    /// Where the person goes afterwards.
    pub return_url: Option<String>,
    /// Hash of the browser's secret.
    pub browser: Option<String>,
    /// Who asked for it.
    pub actor: String,
}

#[derive(Serialize)]
struct Wire<'a> {
    verifier: &'a str,
    issuer: Option<&'a str>,
    iss_required: bool,
    token_endpoint: &'a str,
    revocation_endpoint: Option<&'a str>,
    resource: Option<&'a str>,
    scope: Option<&'a str>,
    redirect_uri: &'a str,
    client: &'a serde_json::value::RawValue,
    return_url: Option<&'a str>,
    browser: Option<&'a str>,
    actor: &'a str,
}

impl Flow {
    pub(crate) fn to_json(&self) -> Result<Zeroizing<String>> {
        let broken = |error: serde_json::Error| Error::internal(error.to_string());
        let client = self.client.to_json()?;
        let wire = Wire {
            verifier: self.verifier.expose(),
            issuer: self.issuer.as_deref(),
            iss_required: self.iss_required,
            token_endpoint: &self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint.as_deref(),
            resource: self.resource.as_deref(),
            scope: self.scope.as_deref(),
            redirect_uri: &self.redirect_uri,
            client: serde_json::from_str(&client).map_err(broken)?,
            return_url: self.return_url.as_deref(),
            browser: self.browser.as_deref(),
            actor: &self.actor,
        };
        serde_json::to_string(&wire).map(Zeroizing::new).map_err(broken)
    }
}

/// What was found out about the upstream's authorization server.
pub(super) struct Server {
    pub(super) metadata: Option<ServerMetadata>,
    pub(super) resource: Option<ProtectedResource>,
    pub(super) challenge: Option<String>,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: String,
}

/// Starts an authorization.
pub async fn begin(platform: &Platform, start: &Start<'_>) -> Result<Started, OauthError> {
    let integration = start.integration;
    let config = integration.content.oauth.clone().unwrap_or_default();
    let redirect_uri = format!("{}{}", public_url(platform)?, start.callback);
    // (1), (2)
    let server = find_server(platform, integration, &config).await?;
    let endpoint = server.authorization_endpoint.as_deref();
    let endpoint = endpoint.ok_or_else(|| OauthError::refused("the authorization server takes no people"))?;
    let mut url = SafeUrl::parse(endpoint, platform.settings.net)
        .map_err(|_| {
            OauthError::refused("the authorization endpoint is not a URL that people may be sent to")
        })?
        .as_url()
        .clone();
    // (3)
    let client = client(platform, integration, &config, server.metadata.as_ref()).await?;
    // (4)
    let scope = scope(platform, integration, &config, start.owner, &server).await?;
    let resource = resource(&config, integration, &server);
    // (5)
    let verifier = Secret::new(URL_SAFE_NO_PAD.encode(platform.random::<64>()?));
    let state = URL_SAFE_NO_PAD.encode(platform.random::<32>()?);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()));
    let client_id = client.client_id.clone();
    let flow = Flow {
        verifier,
        issuer: server.metadata.as_ref().map(|metadata| metadata.issuer.clone()),
        iss_required: server
            .metadata
            .as_ref()
            .is_some_and(|metadata| metadata.authorization_response_iss_parameter_supported),
        token_endpoint: server.token_endpoint.clone(),
        revocation_endpoint: server.metadata.as_ref().and_then(|found| found.revocation_endpoint.clone()),
        resource: resource.clone(),
        scope: scope.clone(),
        redirect_uri: redirect_uri.clone(),
        client,
        return_url: start.return_url.clone(),
        browser: start.browser.map(|secret| sha256_hex(secret.as_bytes())),
        actor: start.actor.to_owned(),
    };
    let expires_at = platform.now() + LIFETIME;
    oauth_flows::insert(platform, &integration.id, start.owner, &state, &flow, expires_at).await?;
    auth_events::record(
        platform,
        integration,
        start.owner,
        EventType::ConnectStarted,
        start.actor,
        url.host_str(),
        None,
    )
    .await?;
    // (6)
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", &client_id);
        query.append_pair("redirect_uri", &redirect_uri);
        query.append_pair("state", &state);
        query.append_pair("code_challenge", &challenge);
        query.append_pair("code_challenge_method", "S256");
        for (name, value) in [("scope", scope), ("resource", resource), ("prompt", config.prompt)] {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
    }
    Ok(Started { authorization_url: url.into(), state, redirect_uri, expires_at })
}

/// Finds the authorization server: what the operator named beats what is discovered.
pub(super) async fn find_server(
    platform: &Platform,
    integration: &Integration,
    config: &OauthConfig,
) -> Result<Server, OauthError> {
    let endpoint = SafeUrl::parse(&integration.content.url, platform.settings.net)
        .map_err(|_| OauthError::refused("the integration's URL may not be dialled any more"))?;
    if let (None, Some(token_endpoint)) = (&config.issuer, &config.token_url)
        && (config.authorization_url.is_some() || config.is_client_credentials())
    {
        return Ok(Server {
            metadata: None,
            resource: None,
            challenge: None,
            authorization_endpoint: config.authorization_url.clone(),
            token_endpoint: token_endpoint.clone(),
        });
    }
    let challenge = challenge(platform, &endpoint).await;
    let resource = protected_resource::discover(platform, &endpoint, challenge.as_deref()).await?;
    let issuer = issuer(config, resource.as_ref(), &endpoint);
    let metadata = server_metadata::discover(platform, &issuer).await?;
    let token_endpoint = config.token_url.clone().or_else(|| metadata.token_endpoint.clone());
    Ok(Server {
        authorization_endpoint: config
            .authorization_url
            .clone()
            .or_else(|| metadata.authorization_endpoint.clone()),
        token_endpoint: token_endpoint
            .ok_or_else(|| OauthError::refused("the authorization server has no token endpoint"))?,
        metadata: Some(metadata),
        resource,
        challenge,
    })
}

/// What connecting to a server by OAuth would take.
pub struct Discovered {
    /// Its authorization server.
    pub metadata: ServerMetadata,
    /// The scopes that it asks for, else those that it knows.
    pub scopes: Vec<String>,
}

/// Finds out what connecting to the MCP server at `endpoint` would take.
pub async fn discover_server(platform: &Platform, endpoint: &SafeUrl) -> Result<Discovered, OauthError> {
    let challenge = challenge(platform, endpoint).await;
    let resource = protected_resource::discover(platform, endpoint, challenge.as_deref()).await?;
    let issuer = issuer(&OauthConfig::default(), resource.as_ref(), endpoint);
    let metadata = server_metadata::discover(platform, &issuer).await?;
    let challenged = challenge.as_deref().and_then(|challenge| bearer_parameter(challenge, "scope"));
    let scopes = match challenged {
        Some(scope) => words(&scope).into_iter().collect(),
        None => resource.map(|resource| resource.scopes_supported).unwrap_or_default(),
    };
    Ok(Discovered { metadata, scopes })
}

fn issuer(config: &OauthConfig, resource: Option<&ProtectedResource>, endpoint: &SafeUrl) -> String {
    match (&config.issuer, resource) {
        (Some(issuer), _) => issuer.clone(),
        (None, Some(resource)) => resource.authorization_servers.first().cloned().unwrap_or_default(),
        // MCP 2025-03-26: the server's origin is its own authorization server.
        (None, None) => endpoint.as_url().origin().ascii_serialization(),
    }
}

pub(super) async fn client(
    platform: &Platform,
    integration: &Integration,
    config: &OauthConfig,
    metadata: Option<&ServerMetadata>,
) -> Result<Client, OauthError> {
    match (&config.client_id, metadata) {
        (Some(client_id), _) => {
            let secret = vault::open_client_secret(platform, integration)?;
            Ok(Client::given(metadata, client_id, secret))
        }
        (None, Some(metadata)) => identify(platform, metadata).await,
        (None, None) => Err(OauthError::refused("oauth.clientId is required where the endpoints are given")),
    }
}

/// The operator's scopes, else those of the challenge, else those of the resource; together with what was asked for
/// before and what a refused call has asked for since. `offline_access` only where the server knows it.
async fn scope(
    platform: &Platform,
    integration: &Integration,
    config: &OauthConfig,
    owner: &str,
    server: &Server,
) -> Result<Option<String>, OauthError> {
    let challenged = server.challenge.as_deref().and_then(|challenge| bearer_parameter(challenge, "scope"));
    let mut scopes: BTreeSet<String> = if !config.scopes.is_empty() {
        config.scopes.iter().cloned().collect()
    } else if let Some(challenged) = challenged {
        words(&challenged)
    } else {
        server.resource.iter().flat_map(|resource| resource.scopes_supported.iter().cloned()).collect()
    };
    scopes.extend(
        credentials::wanted_scope(platform, &integration.id, owner).await?.iter().flat_map(|s| words(s)),
    );
    let knows_offline =
        |metadata: &ServerMetadata| metadata.scopes_supported.iter().any(|s| s == "offline_access");
    if server.metadata.as_ref().is_some_and(knows_offline) {
        scopes.insert("offline_access".to_owned());
    } else if config.scopes.is_empty() {
        scopes.remove("offline_access");
    }
    let text = scopes.into_iter().collect::<Vec<_>>().join(" ");
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn words(scope: &str) -> BTreeSet<String> {
    scope.split_ascii_whitespace().map(ToOwned::to_owned).collect()
}

/// The resource indicator (RFC 8707), unless the operator leaves it out: some servers refuse the parameter.
pub(super) fn resource(config: &OauthConfig, integration: &Integration, server: &Server) -> Option<String> {
    if config.omit_resource {
        return None;
    }
    let published = server.resource.as_ref().map(|resource| resource.resource.clone());
    published.or_else(|| Some(integration.content.url.clone()))
}

/// A safe place to go to afterwards: a path on Postern's own origin.
pub fn check_return_url(url: Option<String>) -> Result<Option<String>> {
    let Some(url) = url else { return Ok(None) };
    let is_relative = url.starts_with('/') && !url.starts_with("//") && !url.starts_with("/\\");
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':' && byte != b'\\');
    if is_relative && is_plain && url.len() <= 2048 {
        Ok(Some(url))
    } else {
        Err(Error::invalid("the return URL must be a path that begins with one / and has no colon"))
    }
}

/// Refuses integrations that people do not connect to.
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
    fn people_are_sent_to_own_paths_only() {
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
