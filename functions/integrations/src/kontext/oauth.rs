//! `/api/v1/integrations/{id}/oauth`: the OAuth configuration of an integration.

use kernel::{Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::integration::{AuthMode, Content, Integration, IntegrationId};
use postern_core::registry::draft::{OauthInput, oauth_misplaced};
use postern_core::store::integrations::{self, Change};
use postern_core::{Family, Platform};
use web::{Json, NoContent, Path, Ruled};

use super::view::OneOauth;
use super::{ATTEMPTS, contended, load};

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .get("/{id}/oauth", get)
        .summary("getOauth", "Read an integration's OAuth configuration")
        .returns("The configuration, without its secret.")
        .error(404, "No such integration, or one in another `authMode` or without a configuration.")
        .put("/{id}/oauth", replace)
        .summary("replaceOauth", "Replace an integration's OAuth configuration")
        .description(
            "Replaces all of it, but for a `clientSecret` that is left out while `clientId`, `issuer` and the origins of \
             `authorizationUrl` and `tokenUrl` are the same. Another `grant` deletes the credentials of the users and of \
             the organization.",
        )
        .returns("The configuration as it is now.")
        .error(400, "A field is not usable, or `authMode` is not `oauth`.")
        .error(404, "No such integration.")
        .error(409, "Others keep changing the integration: try again.")
        .delete("/{id}/oauth", remove)
        .summary("removeOauth", "Remove an integration's OAuth configuration")
        .returns("There is none now.")
        .error(404, "No such integration.")
        .error(409, "Others keep changing the integration: try again.")
}

async fn get(platform: &Platform, admin: Admin, Path(id): Path<IntegrationId>) -> Result<Json<OneOauth>> {
    answer(load(platform, &admin, id).await?)
}

async fn replace(
    platform: &Platform,
    admin: Admin,
    Json(Ruled(input)): Json<Ruled<OauthInput>>,
    Path(id): Path<IntegrationId>,
) -> Result<Json<OneOauth>> {
    for _ in 0..ATTEMPTS {
        let current = load(platform, &admin, id).await?;
        if current.content.auth_mode != AuthMode::Oauth {
            return Err(oauth_misplaced());
        }
        let mut content = current.content.clone();
        input.apply(platform, &current.id, &mut content)?;
        if write(platform, &current, &content).await? {
            return answer(load(platform, &admin, id).await?);
        }
    }
    Err(contended())
}

/// Answers 204, also if there was no configuration. `authMode` stays `oauth`: without a configuration everything is
/// discovered.
async fn remove(platform: &Platform, admin: Admin, Path(id): Path<IntegrationId>) -> Result<NoContent> {
    for _ in 0..ATTEMPTS {
        let current = load(platform, &admin, id).await?;
        let mut content = current.content.clone();
        (content.oauth, content.oauth_client_secret) = (None, None);
        if current.content.oauth.is_none() || write(platform, &current, &content).await? {
            return Ok(NoContent);
        }
    }
    Err(contended())
}

/// Stores `content`. Returns `false` if another request has changed the integration since `current` was read.
async fn write(platform: &Platform, current: &Integration, content: &Content) -> Result<bool> {
    integrations::update(platform, current, &Change { content, credential: None }).await
}

fn answer(integration: Integration) -> Result<Json<OneOauth>> {
    let oauth = OneOauth::of(integration);
    oauth.map(Json).ok_or_else(|| Error::not_found("this integration has no OAuth configuration"))
}
