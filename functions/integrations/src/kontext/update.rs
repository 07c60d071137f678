//! `PATCH /api/v1/integrations/{id}`: changes an integration, or revives an archived one.
//!
//! (1) The body is applied to the present content, with the rules between the fields; (2) everything is written in one
//! batch; if another request wrote in between, the body is applied again; (3) if what was known about the upstream no
//! longer counts, the upstream is probed after the answer; (4) the answer is the integration.

use kernel::Result;
use kernel::net::UpstreamUrl;
use kernel::secret::Secret;
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::schema::HeaderTemplates;
use postern_core::model::credential::{HeaderTemplate, ORGANIZATION, SealedCredential, wanted_keys};
use postern_core::model::field::{Description, DisplayName, Token, check_description, check_name};
use postern_core::model::integration::{AuthMode, Category, Content, Integration, IntegrationId, ToolPolicy};
use postern_core::model::oauth::OauthConfig;
use postern_core::registry::draft::{
    OauthInput, RuledOauth, check_capabilities, check_schema, check_url, move_secrets, oauth_misplaced,
    seal_headers, server_token, token_misplaced, token_missing,
};
use postern_core::registry::place;
use postern_core::store::integrations::{self, Change};
use postern_core::upstream::validation::validate_later;
use postern_core::{Family, Platform, vault};
use serde::Deserialize;
use serde_json::value::RawValue;
use web::json::present;
use web::{Json, Path};

use super::view::One;
use super::{ATTEMPTS, contended};
use crate::schemas::capabilities_or_null;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .patch("/{id}", update)
        .summary("updateIntegration", "Change an integration, or revive an archived one")
        .description(
            "Another `url` or `authMode` resets its validation, and the upstream is probed after the answer. A `url` of \
             another origin (scheme, host and port) is another server: every credential that was given for the former one, \
             the organization's and the users', is deleted with the change, as are sign-ins under way, header templates \
             without a placeholder, and the `clientSecret` unless the configuration names the authorization server; what \
             is needed there is sent along or given again. Its tools are offered once they were found at the new server.",
        )
        .returns("As it is now.")
        .error(400, "A field, or a rule between two of them, is broken.")
        .error(404, "No such integration, or an archived one.")
        .error(409, "The name is taken (`code` is `duplicate`), or others keep changing it (`conflict`).")
}

/// The body of an update: absent fields stay as they are, `null` clears a field that may be missing.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(
    as = UpdateIntegration,
    description = "What is left out stays as it is. `null` removes what may be missing. Unknown fields are refused."
)]
struct UpdateRequest {
    /// Display name, unlike that of any other integration.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = DisplayName, required = false)]
    name: Option<String>,
    /// Free text for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Description>)]
    description: Option<Option<String>>,
    /// The upstream's MCP endpoint. Another one has to be validated anew; one of another origin drops the credentials.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = UpstreamUrl, required = false)]
    url: Option<String>,
    /// What Postern does with it.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    category: Option<Category>,
    /// Whose credential is presented. With another one the users' connections are deleted.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    auth_mode: Option<AuthMode>,
    /// Only for `authMode` `oauth`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<RuledOauth>)]
    oauth: Option<Option<OauthInput>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = capabilities_or_null)]
    capabilities: Option<Option<Box<RawValue>>>,
    /// A JSON Schema that credentials which users paste have to fit; without remote references.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    credential_schema: Option<Option<Box<RawValue>>>,
    /// The organization's token, only for `authMode` `server_token`; required on the way there. Sealed at once, never
    /// returned.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Token, required = false)]
    server_token: Option<Secret<String>>,
    /// Headers to present instead of `Authorization: Bearer {token}`. Sealed as a whole, never returned.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<HeaderTemplates>)]
    credential_headers: Option<Option<Vec<HeaderTemplate>>>,
    /// What happens to tools that a probe finds new or changed.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    tool_policy: Option<ToolPolicy>,
    /// `true` revives the integration if it is archived. One with `authMode` `server_token` needs a new `serverToken`:
    /// the former one was deleted.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    confirm_unarchive: Option<bool>,
}

async fn update(
    platform: &Platform,
    admin: Admin,
    Path(id): Path<IntegrationId>,
    Json(body): Json<UpdateRequest>,
) -> Result<Json<One>> {
    let id = id.to_string();
    for _ in 0..ATTEMPTS {
        // (1), (2)
        let written = match integrations::find(platform, &admin.subject, &id).await? {
            Some(current) => write(platform, &body, &current).await?,
            None => revive(platform, &body, &id).await?,
        };
        let Written::Done { probes } = written else { continue };
        let stored = integrations::find(platform, &admin.subject, &id).await?;
        let stored = stored.ok_or_else(IntegrationId::not_found)?;
        // (3)
        if probes {
            validate_later(platform, stored.clone(), admin.subject.clone());
        }
        // (4)
        return Ok(Json(stored.into()));
    }
    Err(contended())
}

/// How a write ended.
enum Written {
    /// Stored.
    Done {
        /// Whether the upstream has to be probed again.
        probes: bool,
    },
    /// Not stored: another request wrote in between.
    Overtaken,
}

async fn write(platform: &Platform, body: &UpdateRequest, current: &Integration) -> Result<Written> {
    let (content, credential) = apply(platform, body, current)?;
    let resets = content.needs_validation_after(&current.content);
    let change = Change { content: &content, credential: credential.as_ref() };
    if !integrations::update(platform, current, &change).await? {
        return Ok(Written::Overtaken);
    }
    let probes = resets
        || credential.is_some()
        || content.headers != current.content.headers
        || content.tool_policy != current.content.tool_policy;
    Ok(Written::Done { probes })
}

/// Revives the archived integration `id` if the body confirms that; otherwise the error is 404.
async fn revive(platform: &Platform, body: &UpdateRequest, id: &str) -> Result<Written> {
    let archived = integrations::find_archived(platform, id).await?.filter(|archived| archived.id == id);
    let Some(archived) = archived.filter(|_| body.confirm_unarchive == Some(true)) else {
        return Err(IntegrationId::not_found());
    };
    let (content, credential) = apply(platform, body, &archived)?;
    // The former token was deleted when the integration was archived.
    if content.auth_mode == AuthMode::ServerToken && credential.is_none() {
        return Err(token_missing());
    }
    let is_back = place::revive(platform, id, &content, credential.as_ref()).await?;
    Ok(if is_back { Written::Done { probes: true } } else { Written::Overtaken })
}

/// Returns the content after the update, and the organization's new credential if the body has one.
fn apply(
    platform: &Platform,
    body: &UpdateRequest,
    current: &Integration,
) -> Result<(Content, Option<SealedCredential>)> {
    let mut content = current.content.clone();
    if let Some(name) = &body.name {
        content.name = check_name("name", name)?;
    }
    if let Some(description) = &body.description {
        let check = |text| check_description("description", text);
        content.description = description.as_deref().map(check).transpose()?;
    }
    if let Some(url) = &body.url {
        content.url = check_url(platform, url)?;
    }
    content.category = body.category.unwrap_or(content.category);
    content.auth_mode = body.auth_mode.unwrap_or(content.auth_mode);
    content.tool_policy = body.tool_policy.unwrap_or(content.tool_policy);
    if let Some(capabilities) = &body.capabilities {
        check_capabilities(capabilities.as_deref())?;
        content.capabilities.clone_from(capabilities);
    }
    if let Some(schema) = &body.credential_schema {
        check_schema(schema.as_deref())?;
        content.credential_schema.clone_from(schema);
    }
    apply_oauth(platform, body, &current.id, &mut content)?;
    apply_headers(platform, body, &current.id, &mut content)?;
    if content.origin() != current.content.origin() {
        let has_secret =
            body.oauth.iter().flatten().any(|oauth| matches!(oauth.client_secret, Some(Some(_))));
        let given = (body.credential_headers.is_some(), has_secret);
        move_secrets(platform, &current.id, &mut content, given)?;
    }
    let credential = match (&body.server_token, content.auth_mode) {
        (Some(token), AuthMode::ServerToken) => {
            let values = server_token(token)?;
            Some(vault::seal(platform, &current.id, &content.url, ORGANIZATION, &values)?)
        }
        (Some(_), _) => return Err(token_misplaced()),
        // An integration that was installed without its credentials may be changed before they are given.
        (None, AuthMode::ServerToken) if current.content.auth_mode != AuthMode::ServerToken => {
            return Err(token_missing());
        }
        (None, _) => None,
    };
    Ok((content, credential))
}

fn apply_oauth(platform: &Platform, body: &UpdateRequest, id: &str, content: &mut Content) -> Result<()> {
    if content.auth_mode != AuthMode::Oauth {
        (content.oauth, content.oauth_client_secret) = (None, None);
        return if matches!(body.oauth, Some(Some(_))) { Err(oauth_misplaced()) } else { Ok(()) };
    }
    match &body.oauth {
        Some(Some(oauth)) => oauth.apply(platform, id, content)?,
        Some(None) => (content.oauth, content.oauth_client_secret) = (None, None),
        // The body sets `authMode` to `oauth` without a configuration: everything is discovered.
        None if body.auth_mode.is_some() => {
            content.oauth.get_or_insert_with(OauthConfig::default);
        }
        None => {}
    }
    Ok(())
}

fn apply_headers(platform: &Platform, body: &UpdateRequest, id: &str, content: &mut Content) -> Result<()> {
    match &body.credential_headers {
        Some(Some(templates)) => {
            content.headers = Some(seal_headers(platform, id, content.auth_mode, templates)?);
        }
        Some(None) => content.headers = None,
        None if content.auth_mode == AuthMode::None && content.headers.is_some() => {
            let templates = vault::open_templates(platform, id, content.headers.as_deref());
            if templates.is_none_or(|templates| !wanted_keys(&templates).is_empty()) {
                // Without a credential there is nothing to put into the placeholders.
                content.headers = None;
            }
        }
        None => {}
    }
    Ok(())
}
