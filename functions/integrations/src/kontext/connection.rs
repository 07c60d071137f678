//! `POST`, `GET`, `DELETE /api/v1/integrations/:id/connection`: the calling user's own credential.
//!
//! Open to every caller whose persona may use the integration; to the others it does not exist. A key with the role
//! `service` stands for no user and is refused.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use shared::auth::{Caller, authorize_connection};
use shared::http::request::{empty, json};
use shared::http::{Request, Response};
use shared::model::credential::{Values, missing_keys, wanted_keys};
use shared::model::credential_schema;
use shared::model::integration::{AuthMode, Integration, IntegrationId, check_token};
use shared::oauth::disconnect::disconnect;
use shared::seal::Secret;
use shared::store::credentials;
use shared::{Error, Platform, Result, vault};

use super::load;
use super::view::{ConnectionView, OneConnection};
use shared::mcp::validation::validate_later;

/// The body of an add: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddRequest {
    token: Option<Secret<String>>,
    credentials: Option<BTreeMap<String, Secret<String>>>,
}

/// 201 `{connection}`. Replaces the caller's former credential. 400 unless `authMode` is `user_token`.
pub(crate) async fn add(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    if integration.content.auth_mode != AuthMode::UserToken {
        return Err(Error::invalid("a token can be added only when authMode is \"user_token\""));
    }
    let body: AddRequest = shared::http::json::parse(&request.body)?;
    let values = check(platform, &integration, body)?;
    let credential = vault::seal(platform, &caller.subject, &values)?;
    if !credentials::put(platform, &integration.id, integration.revision, &credential).await? {
        return Err(Error::conflict("the integration was changed meanwhile: try again"));
    }
    let stored = load(platform, &caller, &request).await?;
    let connection = ConnectionView::of(stored.user_connection.as_ref());
    // Its tools may be known only now.
    validate_later(platform, stored, caller.subject);
    json(StatusCode::CREATED, &OneConnection { connection })
}

/// 200 `{connection}`, also where there is none.
pub(crate) async fn get(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    let connection = ConnectionView::of(integration.user_connection.as_ref());
    json(StatusCode::OK, &OneConnection { connection })
}

/// 204, also where there is none.
pub(crate) async fn revoke(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    disconnect(platform, &integration, &caller.subject, &caller.subject).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn usable(platform: &Platform, caller: &Caller, request: &Request) -> Result<Integration> {
    caller.require_user()?;
    let integration = load(platform, caller, request).await?;
    if authorize_connection(caller.persona.as_deref(), &integration.slug) {
        Ok(integration)
    } else {
        Err(IntegrationId::not_found())
    }
}

/// Holds what was pasted against the operator's schema and against what the header templates need.
fn check(platform: &Platform, integration: &Integration, body: AddRequest) -> Result<Values> {
    let (values, instance) = match (body.token, body.credentials) {
        (Some(token), None) => {
            check_token("token", token.expose())?;
            (Values::token(token.expose().clone()), Value::from(token.expose().as_str()))
        }
        (None, Some(given)) => {
            let instance = given.iter().map(|(key, value)| (key.clone(), value.expose().as_str().into()));
            let instance = Value::Object(instance.collect());
            (Values::check(given)?, instance)
        }
        _ => return Err(Error::invalid("send either token or credentials")),
    };
    if let Some(schema) = &integration.content.credential_schema {
        credential_schema::validate(schema, &instance)?;
    }
    let templates = vault::open_templates(platform, &integration.id, integration.content.headers.as_deref());
    let templates = templates.ok_or_else(|| Error::internal("the header templates do not open"))?;
    let missing = missing_keys(&templates, Some(&values));
    if missing.is_empty() {
        return Ok(values);
    }
    let wanted: Vec<&str> = wanted_keys(&templates).into_iter().collect();
    Err(Error::invalid(format!("credentials must have the keys {}", wanted.join(", "))))
}
