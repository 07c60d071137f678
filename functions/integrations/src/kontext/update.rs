//! `PATCH /api/v1/integrations/:id`.
//!
//! (1) Read strictly, telling absent from null; (2) apply to the present content, with the rules between the fields;
//! (3) write everything in one batch, if nobody else wrote meanwhile, else apply again; (4) answer; (5) probe where what
//! was known about the upstream no longer counts.

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use postern_core::auth::Caller;
use web::dialect::KontextError;
use web::json::present;
use web::request::json;
use web::{Request, Response};
use postern_core::model::credential::{HeaderTemplate, ORGANIZATION, SealedCredential, wanted_keys};
use postern_core::model::integration::{AuthMode, Category, Content, Integration, IntegrationId, State, ToolPolicy, check_description, check_name, slug};
use postern_core::model::oauth::OauthConfig;
use kernel::secret::Secret;
use postern_core::store::integrations;
use postern_core::store::integrations::{Change, Inserted, New};
use kernel::{Error, Result};
use postern_core::{Platform, vault};

use super::view::One;
use crate::openapi::capabilities_or_null;
use postern_core::upstream::validation::validate_later;
use postern_core::registry::draft::{OauthInput, check_capabilities, check_schema, check_url, oauth_misplaced, seal_headers, server_token, token_misplaced, token_missing};

/// How often a write is tried when others write the same integration.
const ATTEMPTS: u32 = 5;

/// The body of an update: what is absent stays. `null` clears what may be missing.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(
    as = UpdateIntegration,
    description = "What is left out stays as it is. `null` removes what may be missing. Unknown fields are refused."
)]
pub(crate) struct UpdateRequest {
    /// Display name, unlike that of any other integration.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Free text for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Option<Option<String>>,
    /// The upstream's MCP endpoint. Another one has to be validated anew.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = "uri")]
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
    #[schema(value_type = Option<OauthInput>)]
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
    #[schema(
        value_type = Option<String>, nullable = false, format = Password, write_only, min_length = 1, max_length = 16384
    )]
    server_token: Option<Secret<String>>,
    /// Headers to present instead of `Authorization: Bearer {token}`. Sealed as a whole, never returned.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<HeaderTemplate>>, min_items = 1)]
    credential_headers: Option<Option<Vec<HeaderTemplate>>>,
    /// What happens to tools that a probe finds new or changed.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    tool_policy: Option<ToolPolicy>,
    /// `true` revives the integration if it is archived.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    confirm_unarchive: Option<bool>,
}

/// 200 `{integration}`; 400, 401, 403, 404, 409.
#[utoipa::path(
    patch,
    path = "/api/v1/integrations/{id}",
    operation_id = "updateIntegration",
    tag = "Kontext",
    summary = "Change an integration, or revive an archived one",
    description = "Another `url` or `authMode` resets its validation, and the upstream is probed after the answer.",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    request_body = UpdateRequest,
    responses(
        (status = 200, description = "As it is now.", body = One),
        (status = 400, description = "A field, or a rule between two of them, is broken.", body = KontextError),
        (status = 404, description = "No such integration, or an archived one.", body = KontextError),
        (
            status = 409,
            description = "The name is taken (`code` is `duplicate`), or others keep changing it (`conflict`).",
            body = KontextError
        )
    )
)]
pub(crate) async fn update(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let id: IntegrationId = request.param("id")?;
    let id = id.to_string();
    // (1)
    let body: UpdateRequest = web::json::parse(&request.body)?;
    for _ in 0..ATTEMPTS {
        let resets = match integrations::find(platform, &caller.subject, &id).await? {
            // (2), (3)
            Some(current) => write(platform, &body, &current).await?,
            None => revive(platform, &body, &id).await?,
        };
        let Some(resets) = resets else { continue };
        // (4)
        let stored = integrations::find(platform, &caller.subject, &id).await?;
        let stored = stored.ok_or_else(IntegrationId::not_found)?;
        let response = json(StatusCode::OK, &One { integration: (&stored).into() })?;
        // (5)
        if resets {
            validate_later(platform, stored, caller.subject);
        }
        return Ok(response);
    }
    Err(Error::conflict("others are changing this integration: try again"))
}

/// Whether the upstream has to be probed again; `None` when somebody else wrote meanwhile.
async fn write(platform: &Platform, body: &UpdateRequest, current: &Integration) -> Result<Option<bool>> {
    let (content, credential) = apply(platform, body, current)?;
    let mode_changes = content.auth_mode != current.content.auth_mode;
    let resets = mode_changes || content.url != current.content.url;
    let change = Change {
        content: &content,
        credential: credential.as_ref(),
        resets,
        drop_organization_credential: content.auth_mode != AuthMode::ServerToken && mode_changes,
        drop_user_credentials: mode_changes,
    };
    let written = integrations::update(platform, current, &change).await?;
    let probes = resets
        || credential.is_some()
        || content.headers != current.content.headers
        || content.tool_policy != current.content.tool_policy;
    Ok(written.then_some(probes))
}

/// An archived integration comes back when that is confirmed; otherwise it is not there.
async fn revive(platform: &Platform, body: &UpdateRequest, id: &str) -> Result<Option<bool>> {
    let archived = integrations::find_archived(platform, id).await?.filter(|archived| archived.id == id);
    let Some(archived) = archived.filter(|_| body.confirm_unarchive == Some(true)) else {
        return Err(IntegrationId::not_found());
    };
    let (content, credential) = apply(platform, body, &archived)?;
    for attempt in 0..50 {
        let slug = slug(&content.name, attempt);
        let new = New {
            id,
            slug: &slug,
            content: &content,
            state: State::Running,
            credential: credential.as_ref(),
        };
        match integrations::revive(platform, &new).await? {
            Inserted::Done => return Ok(Some(true)),
            Inserted::SlugTaken => {}
            Inserted::NameTaken => {
                return Err(Error::duplicate("an integration with this name already exists"));
            }
            // It is live again.
            Inserted::NameArchived => return Ok(None),
        }
    }
    Err(Error::conflict("too many integrations have names like this one"))
}

/// The content after the update, and the organization's new credential.
fn apply(
    platform: &Platform,
    body: &UpdateRequest,
    current: &Integration,
) -> Result<(Content, Option<SealedCredential>)> {
    let mut content = current.content.clone();
    if let Some(name) = &body.name {
        content.name = check_name(name)?;
    }
    if let Some(description) = &body.description {
        content.description = description.as_deref().map(check_description).transpose()?;
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
    let credential = match (&body.server_token, content.auth_mode) {
        (Some(token), AuthMode::ServerToken) => {
            let values = server_token(token)?;
            Some(vault::seal(platform, ORGANIZATION, &values)?)
        }
        (Some(_), _) => return Err(token_misplaced()),
        // One that was installed without its credentials may be changed before they are given.
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
        // Entering the mode: everything is discovered.
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
                // Without a credential they would have nothing to carry.
                content.headers = None;
            }
        }
        None => {}
    }
    Ok(())
}
