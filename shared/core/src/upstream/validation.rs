//! Validates integrations: probes an integration's upstream and records the result. Used by the validate route, after a
//! write, by start and restart, by the scheduled job, and after a user connected.
//!
//! How an integration is follows from probes with the organization's credential or, if it has none, without one. A probe
//! with one user's credential says something about that credential, and is recorded there; only its success says that the
//! upstream is usable, and what it finds fills an empty catalogue or waits for a review.

use std::rc::Rc;

use async_recursion::async_recursion;

use super::dial::{WithoutCredential, dial};
use crate::Platform;
use crate::client::CallError;
use crate::client::probe::{Probe, probe};
use crate::model::credential::{ORGANIZATION, SealedCredential};
use crate::model::integration::{AuthMode, Category, Integration};
use crate::model::oauth::OauthConfig;
use crate::model::target::{Transport, Upstream};
use crate::oauth::refresh;
use crate::oauth::rejected_token::NotReady;
use crate::oauth::{OauthError, client_credentials, protected_resource};
use crate::store::credentials;
use crate::store::validations::{
    Found, Probed, record_invalid, record_reachable, record_seen_by_user, record_valid,
};
use crate::vault::Unpresentable;
use kernel::Result;
use kernel::net::SafeUrl;
use kernel::ports::Timestamp;

/// The result of a validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The upstream is usable: its tools are known, or it waits for a user's credential.
    Usable,
    /// The upstream is not usable; the text says why.
    Unusable(String),
    /// The organization's credential lacks these keys.
    CredentialsMissing(Vec<String>),
}

/// Probes for `asker`, and records the result. If users bring the credentials, the organization has none and `asker` has
/// one, that one is tried first, because an upstream may show its tools only to users. An unusable upstream is a
/// verdict, not an error; an error means that nothing was recorded.
pub async fn validate(platform: &Platform, integration: &Integration, asker: &str) -> Result<Verdict> {
    validate_since(platform, integration, asker, platform.now()).await
}

#[async_recursion(?Send)]
async fn validate_since(
    platform: &Platform,
    integration: &Integration,
    asker: &str,
    began_at: Timestamp,
) -> Result<Verdict> {
    let has_users_only = integration.has_user_credentials() && !integration.has_organization_credential;
    if has_users_only && try_connection(platform, integration, asker, began_at).await? {
        return Ok(Verdict::Usable);
    }
    validate_shared(platform, integration, asker, began_at).await
}

/// Probes with the own credential of `owner`. Returns `true` if the upstream accepted it and what it showed was recorded,
/// `false` also if there is none.
#[async_recursion(?Send)]
async fn try_connection(
    platform: &Platform,
    integration: &Integration,
    owner: &str,
    began_at: Timestamp,
) -> Result<bool> {
    let content = &integration.content;
    let is_proxied = content.category == Category::GatewayRemoteMcp;
    let Some(url) = SafeUrl::parse(&content.url, platform.settings.net).ok().filter(|_| is_proxied) else {
        return Ok(false);
    };
    let found = credentials::resolve(platform, &integration.id, owner).await?;
    let Some(own) = found.filter(|found| found.owner == owner && owner != ORGANIZATION) else {
        return Ok(false);
    };
    let upstream = upstream(integration, url, Some(own));
    let probing = async |upstream: &Upstream| probe(platform, upstream).await;
    let dialled = match dial(platform, owner, upstream, WithoutCredential::Stop, probing).await {
        Ok(dialled) => dialled,
        Err(reason) => {
            log::info!("connection to {}: {reason:?}", integration.slug);
            return Ok(false);
        }
    };
    match dialled.outcome {
        Ok(found) => {
            if let Some(accepted) = &dialled.upstream.credential {
                credentials::mark_accepted(platform, accepted).await?;
            }
            let message = describe(&found);
            record_seen_by_user(platform, probed(integration, began_at), &as_found(&found, &message)).await?;
            Ok(true)
        }
        Err(CallError::Internal(error)) => Err(error),
        Err(error) => {
            log::info!("connection to {}: {error}", integration.slug);
            Ok(false)
        }
    }
}

fn probed(integration: &Integration, began_at: Timestamp) -> Probed<'_> {
    Probed {
        id: &integration.id,
        url: &integration.content.url,
        catalogue_hash: integration.catalogue_hash.as_deref(),
        began_at,
    }
}

/// Returns the integration's upstream, of which nothing is known yet.
fn upstream(integration: &Integration, url: SafeUrl, credential: Option<SealedCredential>) -> Rc<Upstream> {
    Rc::new(Upstream {
        integration_id: integration.id.clone(),
        slug: integration.slug.clone(),
        url,
        era: None,
        transport: Transport::Http,
        protocol_version: None,
        auth_mode: integration.content.auth_mode,
        headers: integration.content.headers.clone(),
        needs_reauth: false,
        credential,
    })
}

fn as_found<'a>(probe: &'a Probe, message: &'a str) -> Found<'a> {
    Found {
        era: probe.era,
        transport: probe.transport,
        protocol_version: &probe.protocol_version,
        tools: &probe.tools,
        message,
    }
}

/// Probes with the organization's credential, or without one, and records the result.
#[async_recursion(?Send)]
async fn validate_shared(
    platform: &Platform,
    integration: &Integration,
    asker: &str,
    began_at: Timestamp,
) -> Result<Verdict> {
    let content = &integration.content;
    let probed = probed(integration, began_at);
    let url = match SafeUrl::parse(&content.url, platform.settings.net) {
        Ok(url) => url,
        Err(refused) => return unusable(platform, probed, refused.to_string()).await,
    };
    if content.category == Category::InternalMcpCredentials {
        record_reachable(platform, probed, "credentials only: the endpoint is not dialled").await?;
        return Ok(Verdict::Usable);
    }
    let credential = match credential(platform, integration, asker).await? {
        Ok(credential) => credential,
        Err(reason) => return unusable(platform, probed, reason).await,
    };
    let upstream = upstream(integration, url, credential);
    let probing = async |upstream: &Upstream| probe(platform, upstream).await;
    let dialled = match dial(platform, ORGANIZATION, upstream, WithoutCredential::Ask, probing).await {
        Err(NotReady::Connect(reason)) => return not_connected(platform, probed, reason).await,
        Err(NotReady::Failed(reason)) => return unusable(platform, probed, reason).await,
        Ok(dialled) => dialled,
    };
    match dialled.outcome {
        Ok(found) => {
            let message = describe(&found);
            record_valid(platform, probed, &as_found(&found, &message)).await?;
            Ok(Verdict::Usable)
        }
        Err(error) => failed(platform, probed, &dialled.upstream, error).await,
    }
}

/// Returns the organization's credential, if there is one; the inner error says why there is none. If the organization
/// is the OAuth client itself (grant `client_credentials`) and has no valid token, a token is acquired here.
async fn credential(
    platform: &Platform,
    integration: &Integration,
    asker: &str,
) -> Result<Result<Option<SealedCredential>, String>> {
    if integration.content.auth_mode == AuthMode::None {
        return Ok(Ok(None));
    }
    let found = credentials::of_organization(platform, &integration.id).await?;
    if !integration.content.oauth.as_ref().is_some_and(OauthConfig::is_client_credentials) {
        return Ok(Ok(found));
    }
    if let Some(found) = &found
        && let Ok(fresh) = refresh::usable(platform, &integration.id, found).await
    {
        return Ok(Ok(Some(fresh)));
    }
    match client_credentials::acquire(platform, integration, found.as_ref(), asker).await {
        Ok(()) => Ok(Ok(credentials::of_organization(platform, &integration.id).await?)),
        Err(OauthError::Internal(error)) => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// Validates after the response was sent; a failure is logged. The probe counts as begun now, so that a validation
/// which a client requests after this response counts as the later one.
pub fn validate_later(platform: &Platform, integration: Integration, asker: String) {
    let began_at = platform.now();
    platform.later(format!("validation of {}", integration.slug), async move |platform| {
        validate_since(platform, &integration, &asker, began_at).await.map(drop)
    });
}

/// Tries the new credential of `owner` after the response was sent: the organization's as in [`validate_later`], a
/// user's without asking how the integration is.
pub fn try_later(platform: &Platform, integration: Integration, owner: String) {
    if owner == ORGANIZATION {
        return validate_later(platform, integration, owner);
    }
    let began_at = platform.now();
    platform.later(format!("connection to {}", integration.slug), async move |platform| {
        try_connection(platform, &integration, &owner, began_at).await.map(drop)
    });
}

/// Records a probe that could not read the tools. An upstream that only waits for a user's credential is not unusable.
async fn failed(
    platform: &Platform,
    probed: Probed<'_>,
    upstream: &Upstream,
    error: CallError,
) -> Result<Verdict> {
    match error {
        CallError::Internal(error) => return Err(error),
        CallError::Unpresentable(Unpresentable::Missing(keys)) => {
            unusable(platform, probed, format!("credentials are missing: {}", keys.join(", "))).await?;
            return Ok(Verdict::CredentialsMissing(keys));
        }
        CallError::AuthorizationRequired { status: 401, ref challenge } if upstream.credential.is_none() => {
            let metadata = protected_resource::discover(platform, &upstream.url, challenge.as_deref()).await;
            if let Some(message) = waiting_for(upstream.auth_mode, matches!(metadata, Ok(Some(_)))) {
                record_reachable(platform, probed, message).await?;
                return Ok(Verdict::Usable);
            }
        }
        CallError::Fetch(ref cause) => log::info!("probe of {}: {cause:?}", upstream.slug),
        _ => {}
    }
    let message = match (&error, upstream.auth_mode) {
        (CallError::AuthorizationRequired { status, .. }, AuthMode::None) => {
            format!(
                "the upstream requires authorization (HTTP {status}): choose another authMode than \"none\""
            )
        }
        _ => error.to_string(),
    };
    unusable(platform, probed, message).await
}

/// Returns what a 401 to a request without a credential means; `None` if no user could ever supply a credential.
fn waiting_for(mode: AuthMode, has_metadata: bool) -> Option<&'static str> {
    match (mode, has_metadata) {
        (AuthMode::Oauth | AuthMode::UserToken, false) => {
            Some("reachable, authorization required: its tools are read once a user has connected")
        }
        (AuthMode::Oauth | AuthMode::UserToken, true) => Some(
            "reachable, authorization required (OAuth metadata found): its tools are read once a user has connected",
        ),
        (AuthMode::None | AuthMode::ServerToken, true) => Some(
            "reachable, authorization required: it announces OAuth, so authMode \"oauth\" lets users connect to it",
        ),
        (AuthMode::None | AuthMode::ServerToken, false) => None,
    }
}

/// Records that the upstream is reachable but the organization's credential cannot be used any more: somebody has to
/// connect it again.
async fn not_connected(platform: &Platform, probed: Probed<'_>, reason: &str) -> Result<Verdict> {
    let message = format!("reachable, authorization required: {reason}");
    record_reachable(platform, probed, &message).await?;
    Ok(Verdict::Unusable(message))
}

async fn unusable(platform: &Platform, probed: Probed<'_>, message: String) -> Result<Verdict> {
    record_invalid(platform, probed, &message).await?;
    Ok(Verdict::Unusable(message))
}

fn describe(probe: &Probe) -> String {
    let count = probe.tools.len();
    let plural = if count == 1 { "" } else { "s" };
    let skipped = match probe.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} left out because their definition breaks the protocol"),
    };
    format!("reachable: MCP {}, {count} tool{plural}{skipped}", probe.protocol_version)
}
