//! Ending a connection: revokes the tokens at the authorization server (RFC 7009), then deletes the credential, also
//! if the revocation fails.

use super::tokens::revoke;
use crate::model::auth_event::EventType;
use crate::model::integration::Integration;
use crate::store::{auth_events, credentials};
use crate::{Platform, vault};
use kernel::Result;

/// Ends `owner`'s own connection. Changes nothing if there is none.
pub async fn disconnect(
    platform: &Platform,
    integration: &Integration,
    owner: &str,
    actor: &str,
) -> Result<()> {
    let own =
        credentials::resolve(platform, &integration.id, owner).await?.filter(|found| found.owner == owner);
    let Some(credential) = own else { return Ok(()) };
    let tokens = vault::open_tokens(platform, &credential);
    if let Some(tokens) = &tokens {
        revoke(platform, tokens).await;
    }
    credentials::delete(platform, &integration.id, owner).await?;
    if let Some(tokens) = tokens {
        let kind = if owner == actor { EventType::TokenDeletedRevoked } else { EventType::TokenDeletedAdmin };
        auth_events::record(platform, integration, owner, kind, actor, tokens.host().as_deref(), None)
            .await?;
    }
    Ok(())
}
