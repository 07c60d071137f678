//! Renewing tokens (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! Of all instances only one renews a credential at a time: (1) it takes a lease in SQL, and the others wait for the
//! tokens that it stores; (2) it requests new tokens at the token endpoint; (3) it stores them, with the rotated
//! refresh token, before they are used; (4) if the grant or the client is no longer valid, the credential is marked
//! once and no instance tries again; after any other failure the credential stays as it was. A lease that its holder
//! does not end expires by itself.

use std::time::Duration;

use async_recursion::async_recursion;

use super::OauthError;
use super::client_credentials;
use super::grant::{AHEAD, schedule};
use super::scopes::covers;
use super::tokens::{Granted, refuses_client, request};
use crate::model::auth_event::EventType;
use crate::model::credential::{Kind, SealedCredential};
use crate::model::token_set::TokenSet;
use crate::store::credentials;
use crate::store::credentials::{Leased, Renewal, Standing};
use crate::store::{auth_events, oauth_clients};
use crate::{Platform, vault};
use kernel::Result;

/// A token that ends sooner than this is renewed before it is used.
pub const LEAST_LEFT: Duration = Duration::from_mins(1);
/// How long a lease lasts: longer than the token endpoint's time limit.
const LEASE: Duration = Duration::from_secs(40);
/// How long an instance waits for another one that holds the lease.
const PATIENCE: Duration = Duration::from_secs(35);
/// Time between two reads of an instance that waits.
const POLL: Duration = Duration::from_millis(150);
/// How many times storing a rotated token is tried.
const STORE_ATTEMPTS: u32 = 3;

/// Why there is no token to use.
#[derive(Debug)]
pub enum Stale {
    /// The grant is gone: the owner has to connect again.
    NeedsReauth,
    /// There is no new token for now; the text is public.
    Unavailable(String),
}

/// Returns a credential that lasts long enough to be used: `credential` itself, or its renewed form.
pub async fn usable(
    platform: &Platform,
    integration: &str,
    credential: &SealedCredential,
) -> Result<SealedCredential, Stale> {
    let is_fresh = credential.expires_at.is_none_or(|end| platform.now() + LEAST_LEFT < end);
    if credential.kind != Kind::Oauth || is_fresh {
        return Ok(credential.clone());
    }
    renewed(platform, integration, credential).await
}

/// Returns the renewed form of `credential`: renews it here, or waits for the instance that is renewing it. If
/// another credential is stored by now, returns that one.
pub async fn renewed(
    platform: &Platform,
    integration: &str,
    credential: &SealedCredential,
) -> Result<SealedCredential, Stale> {
    renewed_for(platform, integration, credential, None).await
}

/// Renews `credential`, of the client credentials grant, and requests `scope` instead of its former scope.
pub async fn widened(
    platform: &Platform,
    integration: &str,
    credential: &SealedCredential,
    scope: &str,
) -> Result<SealedCredential, Stale> {
    renewed_for(platform, integration, credential, Some(scope)).await
}

#[async_recursion(?Send)]
async fn renewed_for(
    platform: &Platform,
    integration: &str,
    credential: &SealedCredential,
    wider: Option<&str>,
) -> Result<SealedCredential, Stale> {
    let patience = platform.now() + PATIENCE;
    let mut seen = credential.clone();
    loop {
        // (1)
        let standing = credentials::standing(platform, integration, &seen);
        match standing.await.map_err(|error| unavailable(&error))? {
            // Renewed, but not for the wider scope: another request got the former one anew.
            Standing::Renewed(fresh) if wider.is_some_and(|wider| !has_scopes(platform, &fresh, wider)) => {
                seen = fresh;
                continue;
            }
            Standing::Renewed(fresh) => return Ok(fresh),
            Standing::Ended => return Err(ended(platform, &seen)),
            Standing::Free => {
                if let Some(outcome) = lease_and_renew(platform, integration, &seen, wider).await? {
                    return outcome;
                }
            }
            Standing::Leased => {}
        }
        if platform.now() >= patience {
            return Err(Stale::Unavailable("the token is being renewed: try again".to_owned()));
        }
        platform.clock.sleep(POLL).await;
    }
}

/// Whether `credential` was requested for every scope of `wanted`.
fn has_scopes(platform: &Platform, credential: &SealedCredential, wanted: &str) -> bool {
    let set = vault::open_tokens(platform, credential);
    covers(&set.and_then(|set| set.scope).unwrap_or_default(), wanted)
}

/// Takes the lease and renews; `None` if another instance was faster. Once begun, this goes on to its end also if the
/// request that it began for is given up: after the request at the token endpoint, the former refresh token may be of no
/// use any more, and the new one would be lost.
async fn lease_and_renew(
    platform: &Platform,
    integration: &str,
    credential: &SealedCredential,
    wider: Option<&str>,
) -> Result<Option<Result<SealedCredential, Stale>>, Stale> {
    let (own, integration, credential) = (platform.clone(), integration.to_owned(), credential.clone());
    let wider = wider.map(ToOwned::to_owned);
    let renewing = async move {
        let lease = credentials::lease(&own, &credential, own.now() + LEASE);
        let Some(leased) = lease.await.map_err(|error| unavailable(&error))? else { return Ok(None) };
        Ok(Some(renew(&own, &integration, leased, wider.as_deref()).await))
    };
    platform.finish(renewing).await.map_err(|error| unavailable(&error))?
}

fn unavailable(error: &kernel::Error) -> Stale {
    log::error!("refresh: {}", error.report());
    Stale::Unavailable("the token could not be renewed".to_owned())
}

/// Returns the failure for an exchange that needs `credential`, whose grant is gone.
pub fn ended(platform: &Platform, credential: &SealedCredential) -> Stale {
    match vault::open_tokens(platform, credential) {
        // No person can connect here: the next validation requests a new token.
        Some(set) if set.is_client_credentials => {
            Stale::Unavailable("the authorization server refused the organization's client".to_owned())
        }
        _ => Stale::NeedsReauth,
    }
}

async fn renew(
    platform: &Platform,
    integration: &str,
    leased: Leased,
    wider: Option<&str>,
) -> Result<SealedCredential, Stale> {
    let Some(mut set) = vault::open_tokens(platform, &leased.credential) else {
        release(platform, &leased).await;
        return Err(Stale::Unavailable("the stored credential cannot be opened".to_owned()));
    };
    let host = set.host();
    let event = |kind: EventType, detail: Option<String>| {
        let (owner, host) = (leased.credential.owner.clone(), host.clone());
        async move {
            let (host, detail) = (host.as_deref(), detail.as_deref());
            auth_events::record_by_id(platform, integration, &owner, kind, host, detail).await;
        }
    };
    if set.refresh_token.is_none() && !set.is_client_credentials {
        event(EventType::RefreshSkippedNoToken, None).await;
        give_up(platform, &leased).await;
        return Err(Stale::NeedsReauth);
    }
    if let Some(wider) = wider {
        set.scope = Some(wider.to_owned());
    }
    // (2)
    match ask(platform, &set).await {
        // (3)
        Ok(granted) => {
            if let Some(credential) = store(platform, &leased, set, granted).await {
                event(EventType::RefreshSucceeded, None).await;
                return Ok(credential);
            }
            event(EventType::RefreshRotationPersistenceFailed, None).await;
            Err(Stale::Unavailable("the renewed token could not be stored".to_owned()))
        }
        // (4)
        Err(error @ OauthError::Terminal(code)) if wider.is_none() => {
            if refuses_client(&error) && set.client.registered {
                forget_client(platform, &set).await;
            }
            event(EventType::RefreshFailedRevoked, Some(code.to_owned())).await;
            give_up(platform, &leased).await;
            Err(ended(platform, &leased.credential))
        }
        // A client that is not granted more scopes keeps its token.
        Err(error) => {
            event(EventType::RefreshFailedTransient, Some(error.to_string())).await;
            release(platform, &leased).await;
            Err(Stale::Unavailable(error.to_string()))
        }
    }
}

async fn ask(platform: &Platform, set: &TokenSet) -> Result<Granted, OauthError> {
    let Some(refresh_token) = &set.refresh_token else {
        return client_credentials::request(platform, set).await;
    };
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose().as_str())];
    if let Some(resource) = &set.resource {
        form.push(("resource", resource));
    }
    request(platform, &set.token_endpoint, &set.client, &form).await
}

/// Deletes the registered client, so that the next authorization registers a new one. The refresh token is of no more
/// use, because it belongs to the client that it was issued to.
async fn forget_client(platform: &Platform, set: &TokenSet) {
    if let Some(issuer) = &set.issuer
        && let Err(error) = oauth_clients::forget(platform, issuer).await
    {
        log::error!("refresh: {}", error.report());
    }
}

async fn store(
    platform: &Platform,
    leased: &Leased,
    set: TokenSet,
    granted: Granted,
) -> Option<SealedCredential> {
    let times = schedule(platform, &set, granted.expires_in);
    // A client requests the same scope at each renewal; a person may have granted less than was requested.
    let scope =
        if set.is_client_credentials { set.scope.or(granted.scope) } else { granted.scope.or(set.scope) };
    let (access_token, refresh_token) = (granted.access_token, granted.refresh_token.or(set.refresh_token));
    let renewed = TokenSet { access_token, refresh_token, scope, ..set };
    for _ in 0..STORE_ATTEMPTS {
        let sealed = match vault::reseal_tokens(platform, &leased.credential, &renewed) {
            Ok(sealed) => sealed,
            Err(error) => {
                log::error!("refresh: {}", error.report());
                return None;
            }
        };
        let credential =
            SealedCredential { sealed, expires_at: times.expires_at, ..leased.credential.clone() };
        match credentials::renew(platform, leased, &credential, times).await {
            Ok(Renewal::Stored) => return Some(credential),
            // During the renewal the owner connected anew or disconnected: the row as it is now counts.
            Ok(Renewal::Superseded) => return None,
            Err(error) => log::error!("refresh: {}", error.report()),
        }
    }
    None
}

async fn give_up(platform: &Platform, leased: &Leased) {
    if let Err(error) = credentials::mark_needs_reauth(platform, leased).await {
        log::error!("refresh: {}", error.report());
    }
}

async fn release(platform: &Platform, leased: &Leased) {
    if let Err(error) = credentials::release(platform, leased, platform.now() + AHEAD).await {
        log::error!("refresh: {}", error.report());
    }
}

/// Renews at most `limit` credentials that are due. Returns how many were due.
pub async fn sweep(platform: &Platform, limit: u32) -> Result<usize> {
    let due: Vec<(String, SealedCredential)> = credentials::due(platform, limit).await?;
    let count = due.len();
    for (integration, credential) in due {
        // `renewed` records its failures; the other credentials are renewed all the same.
        let _: Result<SealedCredential, Stale> = renewed(platform, &integration, &credential).await;
    }
    Ok(count)
}
