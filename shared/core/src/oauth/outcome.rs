//! How a sign-in ends, at its callback or with its confirmation.

use super::OauthError;
use crate::Platform;
use crate::model::auth_event::EventType;
use crate::model::integration::Integration;
use crate::model::token_set::TokenSet;
use crate::store::auth_events;
use kernel::Result;

/// A finished authorization.
pub struct Finished {
    /// The integration that is connected now.
    pub integration: Integration,
    /// Owner of the new credential.
    pub owner: String,
    /// The owner in words.
    pub owner_name: String,
    /// Host of the authorization server.
    pub host: Option<String>,
    /// Where the person is sent.
    pub place: String,
}

/// Records that the credential of `owner` (its id, and the owner in words) with the tokens `set` is stored, and returns the
/// finished authorization.
pub(super) async fn finished(
    platform: &Platform,
    integration: Integration,
    (owner, owner_name): (String, String),
    set: &TokenSet,
    actor: &str,
    place: String,
) -> Result<Finished> {
    let (event, host) = (EventType::ConnectCompleted, set.host());
    auth_events::record(platform, &integration, &owner, event, actor, host.as_deref(), None).await?;
    Ok(Finished { integration, owner, owner_name, host: set.server_host(), place })
}

/// Why an authorization was not finished; the text is shown to the person.
#[derive(Debug)]
pub struct Unfinished(pub String);

impl From<OauthError> for Unfinished {
    fn from(error: OauthError) -> Self {
        if let OauthError::Internal(error) = &error {
            log::error!("callback: {}", error.report());
        }
        Self(error.to_string())
    }
}

impl From<kernel::Error> for Unfinished {
    fn from(error: kernel::Error) -> Self {
        OauthError::Internal(error).into()
    }
}
