//! Confirming a sign-in that was begun through an API.
//!
//! Such a sign-in is bound to no browser, since the browser comes into it only at the provider: whoever is given the
//! authorization URL could be made to connect an account of theirs to another user of Postern. So (1) the callback
//! stores the tokens sealed under the hash of a fresh secret, which only the browser that came back gets; (2) a page asks
//! the person there whether this user is to be connected to this integration; (3) only the form of that page, sent by
//! that browser, stores the credential. Each step works once and for ten minutes. Tokens that are not confirmed are
//! revoked at the provider (RFC 7009) if it offers that, and forgotten here in any case.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::flow::LIFETIME;
use super::outcome::{Finished, Unfinished, finished};
use super::receipt::owner_name;
use super::tokens::revoke;
use crate::model::integration::Integration;
use crate::model::token_set::TokenSet;
use crate::model::unconfirmed_grant::UnconfirmedGrant;
use crate::store::credentials::{Confirmation, TokenTimes, put_confirmed_tokens};
use crate::store::integrations::{NOBODY, find};
use crate::store::unconfirmed_grants;
use crate::{Platform, vault};
use kernel::Result;
use kernel::digest::{constant_time_eq, sha256_hex};

/// Most revocations of one [`purge`], and how many of them run at the same time.
const REVOCATIONS: u32 = 20;
const AT_ONCE: usize = 4;

const GONE: &str =
    "This sign-in was finished in another browser, was already answered or has expired. Start it again.";

/// A sign-in that waits for the answer of the person who signed in.
pub struct Unconfirmed {
    /// The integration to connect.
    pub integration: Integration,
    /// The owner of the future credential, in words.
    pub owner: String,
    /// Host of the authorization server.
    pub host: Option<String>,
    /// What the form of the page names the grant by: the hash of `secret`.
    pub id: String,
    /// The secret for the cookie of the browser.
    pub secret: String,
}

/// Returns the name of the cookie for the grant `id`. Each grant has a cookie of its own, so that two sign-ins in one
/// browser do not disturb each other. An `id` that is none gives the name of a cookie that no browser has.
pub fn cookie_name(id: &str) -> String {
    let start: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    format!("postern-confirm-{start}")
}

/// Stores `grant` until it is confirmed (1).
pub(super) async fn ask(
    platform: &Platform,
    integration: Integration,
    owner: &str,
    owner_name: String,
    grant: &UnconfirmedGrant,
) -> Result<Unconfirmed> {
    let secret = URL_SAFE_NO_PAD.encode(platform.random::<32>()?);
    let id = sha256_hex(secret.as_bytes());
    let expires_at = platform.now() + LIFETIME;
    unconfirmed_grants::insert(platform, &integration, owner, &id, grant, expires_at).await?;
    Ok(Unconfirmed { integration, owner: owner_name, host: grant.set.server_host(), id, secret })
}

/// Stores the credential of the grant `id` (3). `secret` is the one in the cookie of the browser that sent the form.
/// Fails with a text for the person.
pub async fn confirm(platform: &Platform, id: &str, secret: Option<&str>) -> Result<Finished, Unfinished> {
    let gone = || Unfinished(GONE.to_owned());
    if !is_of_browser(id, secret) {
        return Err(gone());
    }
    let stored = unconfirmed_grants::find(platform, id).await?.ok_or_else(gone)?;
    let (grant, owner) = (stored.grant, stored.owner);
    let integration = find(platform, NOBODY, &stored.integration_id).await?;
    let (Some(integration), Some(owner_name)) = (integration, owner_name(platform, &owner).await?) else {
        cancel(platform, id, secret).await?;
        return Err(Unfinished("The integration or the user is not there any more.".to_owned()));
    };
    let credential = vault::seal_tokens(platform, &integration, &owner, &grant.set)?;
    let times = TokenTimes { expires_at: grant.expires_at(), refresh_at: grant.refresh_at() };
    match put_confirmed_tokens(platform, &credential, times, id).await? {
        Confirmation::Stored => {}
        Confirmation::Gone => return Err(gone()),
        Confirmation::Dropped => {
            revoke_later(platform, grant.set);
            return Err(Unfinished(
                "The integration was changed meanwhile. Start the sign-in again.".to_owned(),
            ));
        }
    }
    let UnconfirmedGrant { set, actor, place, .. } = grant;
    Ok(finished(platform, integration, (owner, owner_name), &set, &actor, place).await?)
}

/// Deletes the grant `id` and revokes its tokens after the response was sent. `secret` is the one in the cookie of the
/// browser that sent the form. Fails with a text for the person.
pub async fn cancel(platform: &Platform, id: &str, secret: Option<&str>) -> Result<(), Unfinished> {
    let gone = || Unfinished(GONE.to_owned());
    if !is_of_browser(id, secret) {
        return Err(gone());
    }
    let stored = unconfirmed_grants::take(platform, id).await?.ok_or_else(gone)?;
    revoke_later(platform, stored.grant.set);
    Ok(())
}

/// Deletes expired grants and revokes their tokens, at most [`REVOCATIONS`] of them; the next call goes on. A grant
/// whose revocation fails or is cut off is not tried again.
pub async fn purge(platform: &Platform) -> Result<()> {
    let expired = unconfirmed_grants::purge(platform, REVOCATIONS).await?;
    stream::iter(expired)
        .for_each_concurrent(AT_ONCE, |stored| async move { revoke(platform, &stored.grant.set).await })
        .await;
    Ok(())
}

fn is_of_browser(id: &str, secret: Option<&str>) -> bool {
    secret.is_some_and(|secret| constant_time_eq(sha256_hex(secret.as_bytes()).as_bytes(), id.as_bytes()))
}

fn revoke_later(platform: &Platform, set: TokenSet) {
    let later = platform.clone();
    platform.background.spawn(async move { revoke(&later, &set).await }.boxed_local());
}
