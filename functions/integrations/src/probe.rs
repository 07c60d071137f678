//! Probing an upstream after the answer.

use futures_util::FutureExt as _;
use shared::Platform;
use shared::mcp::validation::validate;
use shared::model::integration::Integration;

/// Validates `integration` in the background, with the credential that `owner` may use.
pub(crate) fn later(platform: &Platform, integration: Integration, owner: String) {
    let later = platform.clone();
    let probe = async move {
        if let Err(error) = validate(&later, &integration, &owner).await {
            log::error!("validation of {}: {error} ({:?})", integration.slug, error.internal);
        }
    };
    platform.background.spawn(probe.boxed_local());
}
