//! Ending a connection: deletes the credential, then revokes its tokens at the authorization server (RFC 7009).
//!
//! The credential is deleted first: cut off between the two, a disconnect leaves a grant that nobody can use any more,
//! and not a credential that goes on being used. Once begun, both are done also if the client leaves.

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
    let (own, integration) = (platform.clone(), integration.clone());
    let (owner, actor) = (owner.to_owned(), actor.to_owned());
    platform.finish(async move { end(&own, &integration, &owner, &actor).await }).await?
}

async fn end(platform: &Platform, integration: &Integration, owner: &str, actor: &str) -> Result<()> {
    let Some(credential) = credentials::delete(platform, &integration.id, owner).await? else {
        return Ok(());
    };
    let Some(tokens) = vault::open_tokens(platform, &credential) else { return Ok(()) };
    revoke(platform, &tokens).await;
    let kind = if owner == actor { EventType::TokenDeletedRevoked } else { EventType::TokenDeletedAdmin };
    auth_events::record(platform, integration, owner, kind, actor, tokens.host().as_deref(), None).await
}
