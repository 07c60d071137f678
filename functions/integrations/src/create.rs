//! `POST /api/v1/integrations`.
//!
//! (1) Read strictly; (2) check every field and the rules between them; (3) seal the token; (4) store, under the first
//! free slug; (5) answer 201; (6) probe the upstream after the answer.

use futures_util::FutureExt as _;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::auth::Caller;
use shared::http::request::json;
use shared::http::{Request, Response};
use shared::mcp::validation::validate;
use shared::model::integration::{AuthMode, Category, Integration, check_name, check_token, slug};
use shared::model::target::{ORGANIZATION, SealedCredential};
use shared::net::SafeUrl;
use shared::seal::{Cell, Secret};
use shared::store::integrations::{Inserted, NewIntegration, find_by_name, insert, revive};
use shared::{Error, Platform, Result};

use crate::view::One;

/// Slugs that are tried for one name.
const MOST_SLUGS: u32 = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateRequest {
    name: String,
    url: String,
    category: Option<Category>,
    auth_mode: Option<AuthMode>,
    oauth: Option<Box<RawValue>>,
    capabilities: Option<Box<RawValue>>,
    credential_schema: Option<Box<RawValue>>,
    server_token: Option<Secret<String>>,
    #[serde(default)]
    confirm_unarchive: bool,
}

/// 201 `{integration}`; 400, 401, 403, 409.
pub(crate) async fn create(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    // (1)
    let body: CreateRequest = shared::http::json::parse(&request.body)?;
    // (2), (3)
    let confirmed = body.confirm_unarchive;
    let new = check(platform, body)?;
    // (4)
    store(platform, &new, confirmed).await?;
    let stored = find_by_name(platform, &new.name).await?;
    let integration = stored.ok_or_else(|| Error::internal("the new integration cannot be found"))?;
    // (5)
    let mut response = json(StatusCode::CREATED, &One { integration: (&integration).into() })?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/integrations/{}", integration.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    // (6)
    probe_later(platform, integration);
    Ok(response)
}

fn check(platform: &Platform, body: CreateRequest) -> Result<NewIntegration> {
    let name = check_name(&body.name)?;
    let url =
        SafeUrl::parse(&body.url, platform.settings.net).map_err(|refused| Error::invalid(refused.0))?;
    let auth_mode = body.auth_mode.unwrap_or(AuthMode::None);
    if matches!(auth_mode, AuthMode::Oauth | AuthMode::UserToken) {
        return Err(Error::invalid(format!("authMode \"{}\" is not supported yet", auth_mode.as_str())));
    }
    if body.oauth.is_some() {
        return Err(Error::invalid("oauth is only for authMode \"oauth\""));
    }
    if let Some(schema) = &body.credential_schema {
        check_object("credentialSchema", schema)?;
    }
    let id = platform.uuid()?.to_string();
    let credential = match (auth_mode, &body.server_token) {
        (AuthMode::ServerToken, Some(token)) => Some(seal(platform, token)?),
        (AuthMode::ServerToken, None) => {
            return Err(Error::invalid("serverToken is required when authMode is \"server_token\""));
        }
        (_, Some(_)) => {
            return Err(Error::invalid("serverToken is only for authMode \"server_token\""));
        }
        (_, None) => None,
    };
    Ok(NewIntegration {
        id,
        name,
        url: url.as_str().to_owned(),
        category: body.category.unwrap_or(Category::GatewayRemoteMcp),
        auth_mode,
        capabilities: body.capabilities,
        credential_schema: body.credential_schema,
        credential,
    })
}

fn check_object(field: &str, json: &RawValue) -> Result<()> {
    if json.get().starts_with('{') {
        Ok(())
    } else {
        Err(Error::invalid(format!("{field} must be an object")))
    }
}

fn seal(platform: &Platform, token: &Secret<String>) -> Result<SealedCredential> {
    check_token("serverToken", token.expose())?;
    let id = platform.uuid()?.to_string();
    let cell = Cell { table: "credentials", row: &id, column: "sealed", owner: ORGANIZATION };
    let sealed = platform.settings.keys.seal(platform.random.as_ref(), cell, token.expose().as_bytes())?;
    Ok(SealedCredential { owner: ORGANIZATION.to_owned(), id, sealed })
}

async fn store(platform: &Platform, new: &NewIntegration, confirmed: bool) -> Result<()> {
    let mut reviving = false;
    let mut attempt = 0;
    while attempt < MOST_SLUGS {
        let slug = slug(&new.name, attempt);
        let inserted =
            if reviving { revive(platform, new, &slug).await? } else { insert(platform, new, &slug).await? };
        match inserted {
            Inserted::Done => return Ok(()),
            Inserted::SlugTaken => attempt += 1,
            Inserted::NameTaken => {
                return Err(Error::conflict("an integration with this name already exists"));
            }
            Inserted::NameArchived if confirmed && !reviving => reviving = true,
            Inserted::NameArchived => {
                return Err(Error::conflict(
                    "an archived integration has this name: send confirmUnarchive: true to revive it",
                ));
            }
        }
    }
    Err(Error::conflict("too many integrations have names like this one"))
}

fn probe_later(platform: &Platform, integration: Integration) {
    let later = platform.clone();
    let probe = async move {
        if let Err(error) = validate(&later, &integration).await {
            log::error!("validation of {}: {error} ({:?})", integration.slug, error.internal);
        }
    };
    platform.background.spawn(probe.boxed_local());
}
