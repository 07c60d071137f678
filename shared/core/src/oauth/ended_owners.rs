//! What deleted principals leave behind: their credentials are deleted and revoked (RFC 7009) in bounded steps, the first
//! after the answer to the deletion, the others by the scheduled job.

use kernel::Result;

use super::disconnect::disconnect;
use crate::Platform;
use crate::store::integrations::{NOBODY, find};
use crate::store::{credentials, principals};

/// Who ends the credentials, in `auth_events`.
const ACTOR: &str = "system:deleted-keys";

/// Ends at most `limit` credentials of deleted principals. Returns how many there were.
pub async fn sweep(platform: &Platform, limit: u32) -> Result<usize> {
    let left = principals::ending(platform, limit).await?;
    for credential in &left {
        match find(platform, NOBODY, &credential.integration_id).await? {
            Some(integration) => disconnect(platform, &integration, &credential.owner, ACTOR).await?,
            None => {
                credentials::delete(platform, &credential.integration_id, &credential.owner).await?;
            }
        }
    }
    principals::settle(platform).await?;
    Ok(left.len())
}
