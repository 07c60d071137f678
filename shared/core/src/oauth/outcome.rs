//! How a sign-in ends, at its callback or with its confirmation.

use super::OauthError;
use crate::model::integration::Integration;

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
