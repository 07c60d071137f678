//! `GET`, `PUT`, `DELETE /api/v1/integrations/:id/oauth`: the OAuth configuration of an integration.

use http::StatusCode;
use postern_core::auth::Caller;
use web::dialect::KontextError;
use web::request::{empty, json};
use web::{Request, Response};
use postern_core::model::integration::{AuthMode, Content, Integration};
use postern_core::store::integrations;
use postern_core::store::integrations::Change;
use kernel::{Error, Result};
use postern_core::Platform;

use super::load;
use super::view::OneOauth;
use postern_core::registry::draft::{OauthInput, oauth_misplaced};

/// How often a write is tried when others write the same integration.
const ATTEMPTS: u32 = 5;

/// 200 `{oauth}`; 404 where there is none: in another `authMode`, or after it was removed.
#[utoipa::path(
    get,
    path = "/api/v1/integrations/{id}/oauth",
    operation_id = "getOauth",
    tag = "Kontext",
    summary = "Read an integration's OAuth configuration",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 200, description = "The configuration, without its secret.", body = OneOauth),
        (
            status = 404,
            description = "No such integration, or one in another `authMode` or without a configuration.",
            body = KontextError
        )
    )
)]
pub(crate) async fn get(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    answer(&load(platform, &caller, &request).await?)
}

/// 200 `{oauth}`. Replaces all of it, but for a `clientSecret` that is not mentioned while the client is the same.
/// 400 in another `authMode`.
#[utoipa::path(
    put,
    path = "/api/v1/integrations/{id}/oauth",
    operation_id = "replaceOauth",
    tag = "Kontext",
    summary = "Replace an integration's OAuth configuration",
    description = "Replaces all of it, but for a `clientSecret` that is left out while `clientId` is the same.",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    request_body = OauthInput,
    responses(
        (status = 200, description = "The configuration as it is now.", body = OneOauth),
        (status = 400, description = "A field is not usable, or `authMode` is not `oauth`.", body = KontextError),
        (status = 404, description = "No such integration.", body = KontextError),
        (status = 409, description = "Others keep changing the integration: try again.", body = KontextError)
    )
)]
pub(crate) async fn replace(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let input: OauthInput = web::json::parse(&request.body)?;
    for _ in 0..ATTEMPTS {
        let current = load(platform, &caller, &request).await?;
        if current.content.auth_mode != AuthMode::Oauth {
            return Err(oauth_misplaced());
        }
        let mut content = current.content.clone();
        input.apply(platform, &current.id, &mut content)?;
        if write(platform, &current, &content).await? {
            return answer(&load(platform, &caller, &request).await?);
        }
    }
    Err(Error::conflict("others are changing this integration: try again"))
}

/// 204, also when there was none. An integration whose `authMode` stays `oauth` then has no configuration of its own.
#[utoipa::path(
    delete,
    path = "/api/v1/integrations/{id}/oauth",
    operation_id = "removeOauth",
    tag = "Kontext",
    summary = "Remove an integration's OAuth configuration",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 204, description = "There is none now."),
        (status = 404, description = "No such integration.", body = KontextError),
        (status = 409, description = "Others keep changing the integration: try again.", body = KontextError)
    )
)]
pub(crate) async fn remove(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    for _ in 0..ATTEMPTS {
        let current = load(platform, &caller, &request).await?;
        let mut content = current.content.clone();
        (content.oauth, content.oauth_client_secret) = (None, None);
        if current.content.oauth.is_none() || write(platform, &current, &content).await? {
            return Ok(empty(StatusCode::NO_CONTENT));
        }
    }
    Err(Error::conflict("others are changing this integration: try again"))
}

async fn write(platform: &Platform, current: &Integration, content: &Content) -> Result<bool> {
    let change = Change {
        content,
        credential: None,
        resets: false,
        drop_organization_credential: false,
        drop_user_credentials: false,
    };
    integrations::update(platform, current, &change).await
}

fn answer(integration: &Integration) -> Result<Response> {
    match OneOauth::of(integration) {
        Some(oauth) => json(StatusCode::OK, &oauth),
        None => Err(Error::not_found("this integration has no OAuth configuration")),
    }
}
