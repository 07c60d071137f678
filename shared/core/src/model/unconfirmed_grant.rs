//! The tokens of a sign-in that waits for its confirmation. Stored, sealed, in table `unconfirmed_grants`.

use kernel::ports::Timestamp;
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::token_set::TokenSet;

/// What storing the credential needs once it is confirmed.
#[derive(Deserialize)]
pub struct UnconfirmedGrant {
    /// The tokens.
    pub set: TokenSet,
    /// When the access token ends, in milliseconds since the Unix epoch; `None` if the provider does not say.
    pub token_expires_at: Option<i64>,
    /// When the scheduled job renews the token, in the same unit; `None` means never.
    pub refresh_at: Option<i64>,
    /// Where the person is sent afterwards.
    pub place: String,
    /// The subject that started the authorization.
    pub actor: String,
}

#[derive(Serialize)]
struct Wire<'a> {
    set: &'a serde_json::value::RawValue,
    token_expires_at: Option<i64>,
    refresh_at: Option<i64>,
    place: &'a str,
    actor: &'a str,
}

impl UnconfirmedGrant {
    /// Returns the grant as JSON, to be sealed.
    pub(crate) fn to_json(&self) -> Result<Zeroizing<String>> {
        let broken = |error: serde_json::Error| Error::internal(error.to_string());
        let set = self.set.to_json()?;
        let wire = Wire {
            set: serde_json::from_str(&set).map_err(broken)?,
            token_expires_at: self.token_expires_at,
            refresh_at: self.refresh_at,
            place: &self.place,
            actor: &self.actor,
        };
        serde_json::to_string(&wire).map(Zeroizing::new).map_err(broken)
    }

    /// Returns when the access token ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.token_expires_at.map(Timestamp::from_millis)
    }

    /// Returns when the scheduled job renews the token.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.refresh_at.map(Timestamp::from_millis)
    }
}
