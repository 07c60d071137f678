//! The client credentials grant (RFC 6749 §4.4): the organization's own access, without a person's consent.

use async_recursion::async_recursion;

use super::OauthError;
use super::discovery::{client, find_server, resource, scope};
use super::grant::schedule;
use super::tokens;
use super::tokens::Granted;
use crate::model::auth_event::EventType;
use crate::model::credential::{ORGANIZATION, SealedCredential};
use crate::model::integration::Integration;
use crate::model::token_set::TokenSet;
use crate::store::auth_events;
use crate::store::credentials::{of_organization, put_tokens_after};
use crate::{Platform, vault};
use kernel::Result;

/// Requests a token for the client of `set`.
pub(super) async fn request(platform: &Platform, set: &TokenSet) -> Result<Granted, OauthError> {
    let mut form = vec![("grant_type", "client_credentials")];
    for (name, value) in [("scope", &set.scope), ("resource", &set.resource)] {
        if let Some(value) = value {
            form.push((name, value));
        }
    }
    tokens::request(platform, &set.token_endpoint, &set.client, &form).await
}

/// Gets a token of the organization for `integration` and stores it in place of `seen`. If another request has stored one
/// meanwhile, that one stays: it may have wider scopes by now.
#[async_recursion(?Send)]
pub async fn acquire(
    platform: &Platform,
    integration: &Integration,
    seen: Option<&SealedCredential>,
    actor: &str,
) -> Result<(), OauthError> {
    let config = integration.content.oauth.clone().unwrap_or_default();
    let server = find_server(platform, integration, &config).await?;
    let client = client(platform, integration, &config, server.metadata.as_ref()).await?;
    let scope = scope(platform, integration, &config, ORGANIZATION, &server).await?;
    let blank = || kernel::secret::Secret::new(String::new());
    let mut set = TokenSet {
        access_token: blank(),
        refresh_token: None,
        scope,
        issuer: server.metadata.as_ref().map(|metadata| metadata.issuer.clone()),
        token_endpoint: server.token_endpoint.clone(),
        revocation_endpoint: server.metadata.as_ref().and_then(|found| found.revocation_endpoint.clone()),
        resource: resource(&config, integration, &server),
        is_client_credentials: true,
        client,
    };
    let granted = request(platform, &set).await?;
    let times = schedule(platform, &set, granted.expires_in);
    set.access_token = granted.access_token;
    set.scope = set.scope.or(granted.scope);
    let credential = vault::seal_tokens(platform, integration, ORGANIZATION, &set)?;
    if !put_tokens_after(platform, &credential, times, seen).await? {
        let found = of_organization(platform, &integration.id).await?;
        return match found {
            Some(found) if seen.is_none_or(|seen| seen.sealed != found.sealed) => Ok(()),
            _ => Err(OauthError::transient("the integration was changed meanwhile")),
        };
    }
    let host = set.host();
    let event = EventType::ConnectCompleted;
    auth_events::record(platform, integration, ORGANIZATION, event, actor, host.as_deref(), None).await?;
    Ok(())
}
