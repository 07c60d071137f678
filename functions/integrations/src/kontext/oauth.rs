//! `GET`, `PUT`, `DELETE /api/v1/integrations/:id/oauth`: the OAuth configuration of an integration.

use http::StatusCode;
use shared::auth::Caller;
use shared::http::request::{empty, json};
use shared::http::{Request, Response};
use shared::model::integration::{AuthMode, Content, Integration};
use shared::store::integrations::{self, Change};
use shared::{Error, Platform, Result};

use super::load;
use super::view::OneOauth;
use shared::registry::draft::{OauthInput, oauth_misplaced};

/// How often a write is tried when others write the same integration.
const ATTEMPTS: u32 = 5;

/// 200 `{oauth}`; 404 where there is none: in another `authMode`, or after it was removed.
pub(crate) async fn get(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    answer(&load(platform, &caller, &request).await?)
}

/// 200 `{oauth}`. Replaces all of it, but for a `clientSecret` that is not mentioned while the client is the same.
/// 400 in another `authMode`.
pub(crate) async fn replace(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let input: OauthInput = shared::http::json::parse(&request.body)?;
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
