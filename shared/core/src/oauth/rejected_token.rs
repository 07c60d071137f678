//! What follows when an upstream refuses a token (RFC 6750 §3.1, MCP "Scope Challenge Handling"): a renewed token, a
//! person who has to consent again, or neither.

use super::protected_resource::bearer_parameter;
use super::refresh::{Stale, renewed, widened};
use super::scopes::{covers, union};
use crate::client::CallError;
use crate::model::credential::{Kind, SealedCredential};
use crate::store::credentials::want_scope;
use crate::store::integrations::{NOBODY, find};
use crate::{Platform, vault};
use kernel::Result;

/// How many times in a row a person is sent to grant the same scopes. An upstream that refuses the token even then is
/// not satisfied by a grant, and the call fails.
const MOST_STEP_UPS: i64 = 3;

/// Why a user who has not connected has to.
pub const NOT_CONNECTED: &str = "you have not connected it yet";
/// Why a user who was connected has to connect again.
pub const CONNECTION_ENDED: &str = "the connection has ended and has to be made again";

/// Why a credential cannot be used.
#[derive(Debug)]
pub enum NotReady {
    /// The owner has to connect, or connect again; the text says why.
    Connect(&'static str),
    /// Connecting does not help; the text is public.
    Failed(String),
}

impl From<Stale> for NotReady {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::NeedsReauth => Self::Connect(CONNECTION_ENDED),
            Stale::Unavailable(reason) => Self::Failed(reason),
        }
    }
}

/// Decides what follows from `error`, the upstream's answer to a request with `credential`. Returns `None` unless the
/// credential is an OAuth token and the answer is 401, or 403 with `insufficient_scope`. Otherwise returns the
/// credential for one retry, or why there is none. The retry is safe, because a refused request never ran.
pub async fn after_rejection(
    platform: &Platform,
    integration: &str,
    credential: &SealedCredential,
    error: &CallError,
) -> Option<Result<SealedCredential, NotReady>> {
    let CallError::AuthorizationRequired { status, challenge } = error else { return None };
    if credential.kind != Kind::Oauth {
        return None;
    }
    let parameter = |name| challenge.as_deref().and_then(|challenge| bearer_parameter(challenge, name));
    match *status {
        403 if parameter("error").as_deref() == Some("insufficient_scope") => {
            let challenged = parameter("scope").unwrap_or_default();
            Some(step_up(platform, integration, credential, &challenged).await)
        }
        401 => Some(renewed(platform, integration, credential).await.map_err(Into::into)),
        _ => None,
    }
}

/// Requests the granted scopes and the demanded ones together: at once if the organization is the client, else by the
/// owner's next authorization, a bounded number of times. The scopes that the operator configured are a ceiling: an
/// upstream cannot widen a grant beyond them.
async fn step_up(
    platform: &Platform,
    integration: &str,
    credential: &SealedCredential,
    challenged: &str,
) -> Result<SealedCredential, NotReady> {
    const MORE: &str = "the upstream wants more rights than were granted";
    match scopes_configured(platform, integration).await {
        Ok(ceiling) if !ceiling.is_empty() && !covers(&ceiling, challenged) => {
            let text = "the upstream wants scopes beyond those that its operator configured";
            return Err(NotReady::Failed(text.to_owned()));
        }
        Ok(_) => {}
        Err(error) => {
            log::error!("step-up for {integration}: {}", error.report());
            return Err(NotReady::Failed(MORE.to_owned()));
        }
    }
    let (granted, by_client) = match vault::open_tokens(platform, credential) {
        Some(set) => (set.scope.unwrap_or_default(), set.is_client_credentials),
        None => (String::new(), false),
    };
    let wanted = union(&granted, challenged);
    if by_client {
        if covers(&granted, challenged) {
            return Err(NotReady::Failed(MORE.to_owned()));
        }
        return widened(platform, integration, credential, &wanted).await.map_err(Into::into);
    }
    match want_scope(platform, &credential.id, &wanted).await {
        Ok(count) if count <= MOST_STEP_UPS => Err(NotReady::Connect(MORE)),
        Ok(_) => {
            Err(NotReady::Failed("the upstream keeps asking for more rights than it is granted".to_owned()))
        }
        Err(error) => {
            log::error!("step-up for {integration}: {}", error.report());
            Err(NotReady::Failed(MORE.to_owned()))
        }
    }
}

/// Returns the scopes that the operator configured; no authorization asks for others.
async fn scopes_configured(platform: &Platform, integration: &str) -> Result<String> {
    let found = find(platform, NOBODY, integration).await?;
    let config = found.and_then(|found| found.content.oauth).unwrap_or_default();
    Ok(config.scopes.join(" "))
}
