//! A new grant: when its tokens are to be renewed, and storing them.

use std::time::Duration;

use kernel::Result;

use crate::model::integration::Integration;
use crate::model::token_set::TokenSet;
use crate::store::credentials::{self, TokenTimes};
use crate::{Platform, vault};

/// How long before its end the scheduled job renews a token, and how long after a failed renewal the job tries again.
pub(super) const AHEAD: Duration = Duration::from_mins(5);

/// Returns when the access token of `set`, which lasts `expires_in` seconds from now, ends, and when to renew it: never if
/// there is nothing to renew it with.
pub(super) fn schedule(platform: &Platform, set: &TokenSet, expires_in: Option<u64>) -> TokenTimes {
    let now = platform.now();
    let Some(seconds) = expires_in else { return TokenTimes { expires_at: None, refresh_at: None } };
    let lifetime = Duration::from_secs(seconds.min(10 * 365 * 24 * 3600));
    // Short-lived tokens are renewed at half their life.
    let until_refresh = lifetime.saturating_sub(AHEAD).max(lifetime / 2);
    let is_renewable = set.refresh_token.is_some() || set.is_client_credentials;
    let refresh_at = is_renewable.then(|| now + until_refresh);
    TokenTimes { expires_at: Some(now + lifetime), refresh_at }
}

/// Stores the tokens of a new grant for `owner`, for the origin of the URL that `integration` was read with. Returns
/// `true` if they were stored, `false` if the integration was archived, no longer uses OAuth or has moved to another
/// origin.
pub(super) async fn store_set(
    platform: &Platform,
    integration: &Integration,
    owner: &str,
    set: &TokenSet,
    times: TokenTimes,
) -> Result<bool> {
    let credential = vault::seal_tokens(platform, integration, owner, set)?;
    credentials::put_tokens(platform, &credential, times).await
}
