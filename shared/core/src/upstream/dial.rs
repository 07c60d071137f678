//! Makes exchanges with an upstream under a credential, for agents' calls and for probes.
//!
//! (1) The credential is checked, and renewed if it would expire during the exchange: one that was given for another
//! origin is not presented; (2) the exchange is made; (3) if the upstream refuses the token, the token is renewed and the
//! exchange is made once more, since a refused request never ran. Whether the upstream took a token that a user pasted is
//! recorded with the token.

use std::rc::Rc;

use async_recursion::async_recursion;

use crate::Platform;
use crate::client::CallError;
use crate::model::credential::{Kind, ORGANIZATION, SealedCredential};
use crate::model::target::Upstream;
use crate::oauth::refresh::{Stale, ended, usable};
use crate::oauth::rejected_token::{NOT_CONNECTED, NotReady, after_rejection};
use crate::store::credentials::{mark_accepted, mark_refused};
use crate::store::integrations;

/// What [`dial`] does if an upstream needs a user's credential and there is none that could be presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutCredential {
    /// No exchange is made: the user has to connect first.
    Stop,
    /// The exchange is made without a credential.
    Ask,
}

/// The outcome of an exchange that was made.
pub struct Dialled<T> {
    /// The upstream, with the credential that was presented last.
    pub upstream: Rc<Upstream>,
    /// The result of the last exchange.
    pub outcome: Result<T, CallError>,
}

/// Makes `exchange` with `upstream` on behalf of `subject`. Fails if no credential can be made ready or renewed.
pub async fn dial<T>(
    platform: &Platform,
    subject: &str,
    upstream: Rc<Upstream>,
    without: WithoutCredential,
    exchange: impl AsyncFn(&Upstream) -> Result<T, CallError>,
) -> Result<Dialled<T>, NotReady> {
    // (1)
    let upstream = match moved(platform, &upstream).await {
        None => upstream,
        Some(reason) if without == WithoutCredential::Stop => return Err(reason),
        Some(_) => with_credential(&upstream, None),
    };
    let upstream = match without {
        WithoutCredential::Stop => ready(platform, subject, upstream).await?,
        WithoutCredential::Ask => ready_or_none(platform, upstream).await?,
    };
    // (2)
    let outcome = exchange(&upstream).await;
    // (3)
    record(platform, &upstream, outcome.as_ref().err()).await;
    let (Err(error), Some(credential)) = (&outcome, &upstream.credential) else {
        return Ok(Dialled { upstream, outcome });
    };
    match after_rejection(platform, &upstream.integration_id, credential, error).await {
        None => Ok(Dialled { upstream, outcome }),
        Some(renewed) => {
            let upstream = with_credential(&upstream, Some(renewed?));
            let outcome = exchange(&upstream).await;
            Ok(Dialled { upstream, outcome })
        }
    }
}

/// Returns why the credential must not be presented if it was given for another origin than the upstream's, and marks
/// the credential.
async fn moved(platform: &Platform, upstream: &Upstream) -> Option<NotReady> {
    let credential = upstream.credential.as_ref()?;
    if credential.is_for(upstream.url.as_url()) {
        return None;
    }
    if let Err(error) = mark_refused(platform, credential).await {
        log::error!("{}: {}", upstream.slug, error.report());
    }
    Some(if credential.owner == ORGANIZATION {
        NotReady::Failed(
            "the organization's credential was given for another server: give it again".to_owned(),
        )
    } else {
        NotReady::Connect("you connected it at another server: connect it again")
    })
}

/// Marks a token that a user pasted if the upstream refused it, and takes the mark back if the upstream accepted it.
/// An OAuth token is marked when its renewal fails; the organization's token says what it is by the validation status.
async fn record(platform: &Platform, upstream: &Upstream, error: Option<&CallError>) {
    let Some(credential) = &upstream.credential else { return };
    if credential.kind == Kind::Oauth || credential.owner == ORGANIZATION {
        return;
    }
    let recorded = match (error, upstream.needs_reauth) {
        (Some(CallError::AuthorizationRequired { status: 401, .. }), false) => {
            mark_refused(platform, credential).await
        }
        (None, true) => mark_accepted(platform, credential).await,
        _ => return,
    };
    if let Err(error) = recorded {
        log::error!("{}: {}", upstream.slug, error.report());
    }
}

/// Returns `upstream` with a credential that lasts for an exchange. Fails if the credential's owner has to connect,
/// or if the credential cannot be renewed now.
#[async_recursion(?Send)]
async fn ready(platform: &Platform, subject: &str, upstream: Rc<Upstream>) -> Result<Rc<Upstream>, NotReady> {
    let Some(credential) = &upstream.credential else {
        return if upstream.auth_mode.is_per_user() {
            Err(unconnected(platform, subject, &upstream).await)
        } else {
            Ok(upstream)
        };
    };
    if credential.kind != Kind::Oauth {
        return Ok(upstream);
    }
    if upstream.needs_reauth {
        return Err(ended(platform, credential).into());
    }
    let fresh = usable(platform, &upstream.integration_id, credential).await?;
    Ok(if fresh.sealed == credential.sealed { upstream } else { with_credential(&upstream, Some(fresh)) })
}

/// Returns `upstream` with a credential that lasts, or without one if the credential's owner has to connect again.
/// Fails if the credential cannot be renewed now.
#[async_recursion(?Send)]
async fn ready_or_none(platform: &Platform, upstream: Rc<Upstream>) -> Result<Rc<Upstream>, NotReady> {
    let Some(credential) = &upstream.credential else { return Ok(upstream) };
    match usable(platform, &upstream.integration_id, credential).await {
        Ok(fresh) if fresh.sealed == credential.sealed => Ok(upstream),
        Ok(fresh) => Ok(with_credential(&upstream, Some(fresh))),
        Err(Stale::NeedsReauth) => Ok(with_credential(&upstream, None)),
        Err(stale @ Stale::Unavailable(_)) => Err(stale.into()),
    }
}

/// Returns why there is no credential: the user has not connected yet, or no validation has acquired the organization's
/// token yet.
async fn unconnected(platform: &Platform, subject: &str, upstream: &Upstream) -> NotReady {
    let found = integrations::find(platform, subject, &upstream.integration_id).await;
    match found.map(|found| found.and_then(|found| found.content.oauth)) {
        Ok(Some(config)) if config.is_client_credentials() => {
            NotReady::Failed("the organization has no access yet: validating it tells why".to_owned())
        }
        Ok(_) => NotReady::Connect(NOT_CONNECTED),
        Err(error) => {
            log::error!("{}: {}", upstream.slug, error.report());
            NotReady::Failed("its credential could not be read".to_owned())
        }
    }
}

fn with_credential(upstream: &Upstream, credential: Option<SealedCredential>) -> Rc<Upstream> {
    Rc::new(Upstream { credential, ..upstream.clone() })
}
