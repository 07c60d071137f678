//! `POST`, `GET`, `DELETE /api/v1/integrations/:id/connection`: the calling user's own credential.
//!
//! Open to every caller whose persona may use the integration; to the others it does not exist. A key with the role
//! `service` stands for no user and is refused.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use postern_core::auth::Caller;
use postern_core::policy::authorize_connection;
use web::dialect::KontextError;
use web::request::{empty, json};
use web::{Request, Response};
use postern_core::model::credential::{Values, missing_keys, wanted_keys};
use postern_core::model::credential_schema;
use postern_core::model::integration::{AuthMode, Integration, IntegrationId, check_token};
use postern_core::oauth::disconnect::disconnect;
use kernel::secret::Secret;
use postern_core::store::credentials;
use kernel::{Error, Result};
use postern_core::{Platform, vault};

use super::load;
use super::view::{ConnectionView, OneConnection};
use crate::openapi::credential_values;
use postern_core::upstream::validation::validate_later;

/// The body of an add: one of the two.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddConnection, description = "Either `token` or `credentials`. Both are sealed at once, never returned.")]
pub(crate) struct AddRequest {
    /// The only value that the integration's headers need.
    #[schema(value_type = Option<String>, format = Password, write_only, min_length = 1, max_length = 16384)]
    token: Option<Secret<String>>,
    #[schema(schema_with = credential_values, required = false)]
    credentials: Option<BTreeMap<String, Secret<String>>>,
}

/// 201 `{connection}`. Replaces the caller's former credential. 400 unless `authMode` is `user_token`.
#[utoipa::path(
    post,
    path = "/api/v1/integrations/{id}/connection",
    operation_id = "addConnection",
    tag = "Kontext",
    summary = "Store the caller's own credential",
    description = "Open to every caller who may use the integration, but for service accounts. Replaces a former one.",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    request_body = AddRequest,
    responses(
        (status = 201, description = "Stored.", body = OneConnection),
        (
            status = 400,
            description = "The credential does not fit the `credentialSchema` or the headers, or `authMode` is not \
                           `user_token`.",
            body = KontextError
        ),
        (
            status = 404,
            description = "No such integration, or one that the caller may not use.",
            body = KontextError
        ),
        (status = 409, description = "The integration was changed meanwhile: try again.", body = KontextError)
    )
)]
pub(crate) async fn add(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    if integration.content.auth_mode != AuthMode::UserToken {
        return Err(Error::invalid("a token can be added only when authMode is \"user_token\""));
    }
    let body: AddRequest = web::json::parse(&request.body)?;
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
#[utoipa::path(
    get,
    path = "/api/v1/integrations/{id}/connection",
    operation_id = "getConnection",
    tag = "Kontext",
    summary = "Whether the caller has a credential stored",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 200, description = "The connection, also where there is none.", body = OneConnection),
        (
            status = 404,
            description = "No such integration, or one that the caller may not use.",
            body = KontextError
        )
    )
)]
pub(crate) async fn get(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    let integration = usable(platform, &caller, &request).await?;
    let connection = ConnectionView::of(integration.user_connection.as_ref());
    json(StatusCode::OK, &OneConnection { connection })
}

/// 204, also where there is none.
#[utoipa::path(
    delete,
    path = "/api/v1/integrations/{id}/connection",
    operation_id = "revokeConnection",
    tag = "Kontext",
    summary = "Delete the caller's own credential",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 204, description = "There is none now."),
        (
            status = 404,
            description = "No such integration, or one that the caller may not use.",
            body = KontextError
        )
    )
)]
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
