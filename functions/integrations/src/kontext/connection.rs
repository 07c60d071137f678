//! `/api/v1/integrations/{id}/connection`: the calling user's own credential for an integration.
//!
//! Open to every caller whose persona may use the integration; for other callers the integration does not exist. A key
//! with the role `service` stands for no user and is refused.

use std::collections::BTreeMap;

use kernel::secret::Secret;
use kernel::{Error, Result};
use postern_core::auth::{ApiKeys, User};
use postern_core::model::credential::schema::CredentialValues;
use postern_core::model::credential::{Values, missing_keys, wanted_keys};
use postern_core::model::credential_schema;
use postern_core::model::field::{Token, check_token};
use postern_core::model::integration::{AuthMode, Integration, IntegrationId};
use postern_core::oauth::disconnect::disconnect;
use postern_core::policy::authorize_connection;
use postern_core::store::credentials;
use postern_core::upstream::validation::try_later;
use postern_core::{Family, Platform, vault};
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Created, Json, NoContent, Path, Ruled, Rules};

use super::load;
use super::view::OneConnection;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .post("/{id}/connection", add)
        .summary("addConnection", "Store the caller's own credential")
        .description(
            "Open to every caller who may use the integration, but for service accounts. Replaces a former one. The \
             upstream is asked after the answer: a credential that it refuses is no connection, and says nothing about \
             the integration.",
        )
        .returns("Stored.")
        .error(
            400,
            "The credential does not fit the `credentialSchema` or the headers, or `authMode` is not `user_token`.",
        )
        .error(404, "No such integration, or one that the caller may not use.")
        .error(409, "The integration was changed meanwhile: try again.")
        .get("/{id}/connection", get)
        .summary("getConnection", "Whether the caller has a credential that can be used")
        .returns("The connection, also where there is none.")
        .error(404, "No such integration, or one that the caller may not use.")
        .delete("/{id}/connection", revoke)
        .summary("revokeConnection", "Delete the caller's own credential")
        .returns("There is none now.")
        .error(404, "No such integration, or one that the caller may not use.")
}

/// The body of an add request: either a token or named values.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddConnection, description = "Either `token` or `credentials`. Both are sealed at once, never returned.")]
struct AddRequest {
    /// The only value that the integration's headers need.
    #[schema(value_type = Option<Token>)]
    token: Option<Secret<String>>,
    /// The values that the integration's headers need, by key.
    #[schema(value_type = Option<CredentialValues>)]
    credentials: Option<BTreeMap<String, Secret<String>>>,
}

impl Rules for AddRequest {
    fn alternatives() -> Value {
        json!([
            {
                "required": ["token"],
                "properties": { "token": { "type": "string" }, "credentials": { "type": "null" } },
            },
            {
                "required": ["credentials"],
                "properties": { "token": { "type": "null" }, "credentials": { "type": "object" } },
            },
        ])
    }
}

async fn add(
    platform: &Platform,
    user: User,
    Path(id): Path<IntegrationId>,
    Json(Ruled(body)): Json<Ruled<AddRequest>>,
) -> Result<Created<OneConnection>> {
    let integration = usable(platform, &user, id).await?;
    if integration.content.auth_mode != AuthMode::UserToken {
        return Err(Error::invalid("a token can be added only when authMode is \"user_token\""));
    }
    let values = check(platform, &integration, body)?;
    let credential =
        vault::seal(platform, &integration.id, &integration.content.url, &user.subject, &values)?;
    if !credentials::put(platform, &integration.id, integration.revision, &credential).await? {
        return Err(Error::conflict("the integration was changed meanwhile: try again"));
    }
    let stored = load(platform, &user, id).await?;
    let body = OneConnection::of(&stored);
    // An upstream may list its tools only to a user, so this credential may be the first that can read them.
    try_later(platform, stored, user.subject.clone());
    Ok(Created { body, location: None })
}

async fn get(platform: &Platform, user: User, Path(id): Path<IntegrationId>) -> Result<Json<OneConnection>> {
    Ok(Json(OneConnection::of(&usable(platform, &user, id).await?)))
}

async fn revoke(platform: &Platform, user: User, Path(id): Path<IntegrationId>) -> Result<NoContent> {
    let integration = usable(platform, &user, id).await?;
    disconnect(platform, &integration, &user.subject, &user.subject).await?;
    Ok(NoContent)
}

/// Reads the integration `id`. The error is 404 also for an integration that the user's persona may not use.
async fn usable(platform: &Platform, user: &User, id: IntegrationId) -> Result<Integration> {
    let integration = load(platform, user, id).await?;
    if authorize_connection(user.persona.as_deref(), &integration.slug) {
        Ok(integration)
    } else {
        Err(IntegrationId::not_found())
    }
}

/// Checks the pasted credential against the operator's JSON Schema and against the keys that the header templates
/// need.
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
    Err(Error::invalid_field("credentials", format!("must have the keys {}", wanted.join(", "))))
}
