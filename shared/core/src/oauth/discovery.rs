//! What Postern finds out before an authorization: the upstream's authorization server, Postern's client there, the
//! scope and the resource. What the operator configured takes precedence over what is discovered.

use std::collections::BTreeSet;

use async_recursion::async_recursion;

use super::OauthError;
use super::client::{given, identify};
use super::protected_resource;
use super::protected_resource::{ProtectedResource, bearer_parameter};
use super::scopes::words;
use super::server_metadata;
use super::server_metadata::ServerMetadata;
use crate::client::probe::challenge;
use crate::model::integration::Integration;
use crate::model::oauth::OauthConfig;
use crate::model::oauth_client::OauthClient;
use crate::store::{credentials, integrations};
use crate::{Platform, vault};
use kernel::net::SafeUrl;

/// What was found out about an upstream's authorization server.
pub(super) struct Server {
    pub(super) metadata: Option<ServerMetadata>,
    pub(super) resource: Option<ProtectedResource>,
    pub(super) challenge: Option<String>,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: String,
}

/// Finds the authorization server, and records its issuer if it was discovered. No request is sent if the operator
/// configured the endpoints and no issuer. Fails if the server cannot be found or has no token endpoint.
#[async_recursion(?Send)]
pub(super) async fn find_server(
    platform: &Platform,
    integration: &Integration,
    config: &OauthConfig,
) -> Result<Server, OauthError> {
    let endpoint = SafeUrl::parse(&integration.content.url, platform.settings.net)
        .map_err(|_| OauthError::unusable("the integration's URL may not be dialled any more"))?;
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
    if config.issuer.is_none() && integration.discovered_issuer.as_ref() != Some(&metadata.issuer) {
        let (id, url) = (&integration.id, &integration.content.url);
        integrations::record_issuer(platform, id, url, &metadata.issuer).await?;
    }
    let token_endpoint = config.token_url.clone().or_else(|| metadata.token_endpoint.clone());
    Ok(Server {
        authorization_endpoint: config
            .authorization_url
            .clone()
            .or_else(|| metadata.authorization_endpoint.clone()),
        token_endpoint: token_endpoint
            .ok_or_else(|| OauthError::unusable("the authorization server has no token endpoint"))?,
        metadata: Some(metadata),
        resource,
        challenge,
    })
}

/// What an OAuth connection to an MCP server needs.
pub struct Discovered {
    /// Metadata of the server's authorization server.
    pub metadata: ServerMetadata,
    /// The scopes that the MCP server's challenge demands, else those that its protected resource metadata lists.
    pub scopes: Vec<String>,
}

/// Finds out what an OAuth connection to the MCP server at `endpoint` needs.
pub async fn discover_server(platform: &Platform, endpoint: &SafeUrl) -> Result<Discovered, OauthError> {
    let challenge = challenge(platform, endpoint).await;
    let resource = protected_resource::discover(platform, endpoint, challenge.as_deref()).await?;
    let issuer = issuer(&OauthConfig::default(), resource.as_ref(), endpoint);
    let metadata = server_metadata::discover(platform, &issuer).await?;
    let challenged = challenge.as_deref().and_then(|challenge| bearer_parameter(challenge, "scope"));
    let scopes = match challenged {
        Some(scope) => words(&scope).into_iter().map(ToOwned::to_owned).collect(),
        None => resource.map(|resource| resource.scopes_supported).unwrap_or_default(),
    };
    Ok(Discovered { metadata, scopes })
}

fn issuer(config: &OauthConfig, resource: Option<&ProtectedResource>, endpoint: &SafeUrl) -> String {
    match (&config.issuer, resource) {
        (Some(issuer), _) => issuer.clone(),
        (None, Some(resource)) => resource.authorization_servers.first().cloned().unwrap_or_default(),
        // MCP 2025-03-26: without protected resource metadata, the origin of the MCP server is its own authorization
        // server.
        (None, None) => endpoint.as_url().origin().ascii_serialization(),
    }
}

#[async_recursion(?Send)]
pub(super) async fn client(
    platform: &Platform,
    integration: &Integration,
    config: &OauthConfig,
    metadata: Option<&ServerMetadata>,
) -> Result<OauthClient, OauthError> {
    match (&config.client_id, metadata) {
        (Some(client_id), _) => {
            let secret = vault::open_client_secret(platform, integration)?;
            Ok(given(metadata, client_id, secret))
        }
        (None, Some(metadata)) => identify(platform, metadata).await,
        (None, None) => Err(OauthError::unusable("oauth.clientId is required where the endpoints are given")),
    }
}

/// Returns the scope to request: the operator's scopes, else those of the challenge, else those of the resource. If the
/// operator configured none, the scopes that were recorded when an upstream demanded more rights are added (see
/// [`credentials::want_scope`]): what the operator configured is a ceiling.
///
/// `offline_access` is added if the authorization server lists it and a person consents; otherwise it is left out,
/// unless the operator configured it.
pub(super) async fn scope(
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
        words(&challenged).into_iter().map(ToOwned::to_owned).collect()
    } else {
        server.resource.iter().flat_map(|resource| resource.scopes_supported.iter().cloned()).collect()
    };
    if config.scopes.is_empty() {
        let wanted = credentials::wanted_scope(platform, &integration.id, owner).await?;
        scopes.extend(wanted.iter().flat_map(|scope| words(scope)).map(ToOwned::to_owned));
    }
    let knows_offline =
        |metadata: &ServerMetadata| metadata.scopes_supported.iter().any(|s| s == "offline_access");
    if !config.is_client_credentials() && server.metadata.as_ref().is_some_and(knows_offline) {
        scopes.insert("offline_access".to_owned());
    } else if config.scopes.is_empty() {
        scopes.remove("offline_access");
    }
    let text = scopes.into_iter().collect::<Vec<_>>().join(" ");
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Returns the resource indicator (RFC 8707), `None` if the operator turned the parameter off: some servers refuse
/// it.
pub(super) fn resource(config: &OauthConfig, integration: &Integration, server: &Server) -> Option<String> {
    if config.omit_resource {
        return None;
    }
    let published = server.resource.as_ref().map(|resource| resource.resource.clone());
    published.or_else(|| Some(integration.content.url.clone()))
}
