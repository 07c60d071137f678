//! The content of an integration as a client sent it: all fields are checked, and secrets are sealed for the
//! integration's id. Used by create and install; updates use the rules between the fields.

use crate::model::credential::{
    HeaderTemplate, ORGANIZATION, SealedCredential, Values, check_templates, wanted_keys,
};
use crate::model::credential_schema;
use crate::model::field::{Token, check_token};
use crate::model::integration::{AuthMode, Category, Content, ToolPolicy};
use crate::model::oauth::{Grant, OauthConfig, OauthText, Scopes};
use crate::{Platform, vault};
use kernel::net::{SafeUrl, UpstreamUrl};
use kernel::secret::Secret;
use kernel::{Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use web::json::present;
use web::{Ruled, Rules};

/// An OAuth configuration as clients send it. An absent `clientSecret` leaves the stored secret unchanged, as long as
/// it is the same client at the same authorization server; `null` removes it.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields)]
#[schema(description = "An OAuth configuration. What is missing is discovered (RFC 9728, RFC 8414).")]
pub struct OauthInput {
    /// The provider's name, for people.
    #[schema(value_type = Option<OauthText>)]
    pub provider: Option<String>,
    /// The authorization server's issuer identifier (RFC 8414 §2): an https URL.
    #[schema(value_type = Option<UpstreamUrl>)]
    pub issuer: Option<String>,
    /// Scopes to ask for (RFC 6749 §3.3).
    #[schema(value_type = Option<Scopes>)]
    pub scopes: Option<Vec<String>>,
    /// The client identifier that was registered with the authorization server.
    #[schema(value_type = Option<OauthText>)]
    pub client_id: Option<String>,
    /// Its secret: sealed at once, never returned. Left out, it stays as long as `clientId`, `issuer` and the
    /// origins of `authorizationUrl` and `tokenUrl` do; `null` removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Token>)]
    pub client_secret: Option<Option<Secret<String>>>,
    /// Authorization endpoint; beats a discovered one.
    #[schema(value_type = Option<UpstreamUrl>)]
    pub authorization_url: Option<String>,
    /// Token endpoint; beats a discovered one.
    #[schema(value_type = Option<UpstreamUrl>)]
    pub token_url: Option<String>,
    /// `prompt` of authorization requests, such as `consent`.
    #[schema(value_type = Option<OauthText>)]
    pub prompt: Option<String>,
    /// Leaves `resource` out of every request.
    pub omit_resource: Option<bool>,
    /// Says that `clientId` was registered with the redirect URIs that belong to its authorization server alone: the
    /// callback paths, each followed by `/` and the first 32 hex digits of the issuer's SHA-256.
    pub redirect_per_issuer: Option<bool>,
    /// How tokens are got; each user's consent when absent.
    pub grant: Option<Grant>,
}

web::only_objects!(OauthInput);

/// The schema of an OAuth configuration, with the rule that a secret belongs to a client id.
pub type RuledOauth = Ruled<OauthInput>;

impl Rules for OauthInput {
    fn alternatives() -> Value {
        json!([
            { "title": "Without a secret", "properties": { "clientSecret": { "type": "null" } } },
            {
                "title": "With the secret of a client",
                "required": ["clientId"],
                "properties": { "clientId": { "type": "string" } },
            },
        ])
    }
}

impl OauthInput {
    /// Checks the configuration and replaces the one in `content`, which belongs to the integration `id`. A client
    /// secret that is left out is kept if the client and its authorization server stay the same. Fails with the first
    /// rule that a field breaks.
    pub fn apply(&self, platform: &Platform, id: &str, content: &mut Content) -> Result<()> {
        let config = OauthConfig {
            provider: self.provider.clone(),
            issuer: self.issuer.clone(),
            scopes: self.scopes.clone().unwrap_or_default(),
            client_id: self.client_id.clone(),
            authorization_url: self.authorization_url.clone(),
            token_url: self.token_url.clone(),
            prompt: self.prompt.clone(),
            omit_resource: self.omit_resource.unwrap_or_default(),
            redirect_per_issuer: self.redirect_per_issuer.unwrap_or_default(),
            grant: self.grant,
        };
        config.check(platform.settings.net)?;
        let is_same_client = content.oauth.as_ref().is_some_and(|former| former.has_same_client(&config));
        match &self.client_secret {
            Some(Some(secret)) => {
                if config.client_id.is_none() {
                    return Err(Error::invalid_field("oauth.clientSecret", "needs oauth.clientId"));
                }
                check_token("oauth.clientSecret", secret.expose())?;
                content.oauth_client_secret = Some(vault::seal_client_secret(platform, id, secret)?);
            }
            None if is_same_client => {}
            Some(None) | None => content.oauth_client_secret = None,
        }
        content.oauth = Some(config);
        Ok(())
    }
}

/// The content of a new integration, with its secrets not yet sealed.
pub struct Draft {
    /// The display name, checked.
    pub name: String,
    /// Free text, checked.
    pub description: Option<String>,
    /// The MCP endpoint.
    pub url: String,
    /// What Postern does with the integration.
    pub category: Category,
    /// Whose credential the upstream is called with.
    pub auth_mode: AuthMode,
    /// The OAuth configuration.
    pub oauth: Option<OauthInput>,
    /// The declared capabilities.
    pub capabilities: Option<Box<RawValue>>,
    /// The JSON Schema of users' credentials.
    pub credential_schema: Option<Box<RawValue>>,
    /// The header templates.
    pub headers: Option<Vec<HeaderTemplate>>,
    /// What happens to new and changed tools.
    pub tool_policy: ToolPolicy,
    /// What the integration is installed from.
    pub source: Option<String>,
    /// The organization's credential.
    pub credential: Option<Values>,
}

impl Draft {
    /// Checks every field and the rules between fields, and seals the secrets for the integration `id`. Returns the
    /// content and the organization's credential. Fails with the first rule that is broken.
    pub fn seal(&self, platform: &Platform, id: &str) -> Result<(Content, Option<SealedCredential>)> {
        let mut content = Content {
            name: self.name.clone(),
            description: self.description.clone(),
            url: check_url(platform, &self.url)?,
            category: self.category,
            auth_mode: self.auth_mode,
            oauth: None,
            oauth_client_secret: None,
            capabilities: self.capabilities.clone(),
            credential_schema: self.credential_schema.clone(),
            headers: None,
            tool_policy: self.tool_policy,
            source: self.source.clone(),
        };
        check_capabilities(self.capabilities.as_deref())?;
        check_schema(self.credential_schema.as_deref())?;
        match (&self.oauth, self.auth_mode) {
            (Some(oauth), AuthMode::Oauth) => oauth.apply(platform, id, &mut content)?,
            (None, AuthMode::Oauth) => content.oauth = Some(OauthConfig::default()),
            (Some(_), _) => return Err(oauth_misplaced()),
            (None, _) => {}
        }
        if let Some(headers) = &self.headers {
            content.headers = Some(seal_headers(platform, id, self.auth_mode, headers)?);
        }
        let credential = match (&self.credential, self.auth_mode) {
            (Some(values), AuthMode::ServerToken) => {
                Some(vault::seal(platform, id, &content.url, ORGANIZATION, values)?)
            }
            (Some(_), _) => return Err(token_misplaced()),
            (None, _) => None,
        };
        Ok((content, credential))
    }
}

/// Removes what must not go along to the new origin of `content.url`: header templates that are a value by themselves
/// and not a place for a credential, and the client secret, if its authorization server is one that the MCP server
/// names. `is_given` says which of both the operator gave anew (headers, client secret).
pub fn move_secrets(
    platform: &Platform,
    id: &str,
    content: &mut Content,
    (headers_given, secret_given): (bool, bool),
) -> Result<()> {
    if !secret_given && !content.oauth.as_ref().is_some_and(OauthConfig::names_server) {
        content.oauth_client_secret = None;
    }
    let Some(sealed) = content.headers.as_deref().filter(|_| !headers_given) else { return Ok(()) };
    // Templates that do not open any more are of no use at the new server either.
    let mut kept = vault::open_templates(platform, id, Some(sealed)).unwrap_or_default();
    kept.retain(|template| !wanted_keys(std::slice::from_ref(template)).is_empty());
    content.headers = match kept.as_slice() {
        [] => None,
        kept => Some(vault::seal_templates(platform, id, kept)?),
    };
    Ok(())
}

/// Checks an MCP endpoint and returns its normal form.
pub fn check_url(platform: &Platform, url: &str) -> Result<String> {
    SafeUrl::parse(url, platform.settings.net)
        .map(|url| url.as_str().to_owned())
        .map_err(|refused| refused.field("url"))
}

/// Checks declared capabilities, `{tools?, resources?, prompts?}`, which are stored as they were sent. An array
/// passes, too, because Kontext's own examples show one.
pub fn check_capabilities(capabilities: Option<&RawValue>) -> Result<()> {
    match capabilities {
        Some(json) if !json.get().starts_with(['{', '[']) => {
            Err(Error::invalid_field("capabilities", "must be an object"))
        }
        _ => Ok(()),
    }
}

/// Checks a credential schema.
pub fn check_schema(schema: Option<&RawValue>) -> Result<()> {
    schema.map_or(Ok(()), credential_schema::check)
}

/// Checks and seals header templates. Fails if they have placeholders and `mode` has no credential to put into these.
pub fn seal_headers(
    platform: &Platform,
    id: &str,
    mode: AuthMode,
    templates: &[HeaderTemplate],
) -> Result<String> {
    check_templates(templates)?;
    if mode == AuthMode::None && !wanted_keys(templates).is_empty() {
        return Err(Error::invalid("header templates with placeholders need another authMode than \"none\""));
    }
    vault::seal_templates(platform, id, templates)
}

/// Checks the organization's token and returns it as a credential.
pub fn server_token(token: &Secret<String>) -> Result<Values> {
    check_token("serverToken", token.expose())?;
    Ok(Values::token(token.expose().clone()))
}

/// Returns the error for a mode that needs a token, if there is none.
pub fn token_missing() -> Error {
    Error::invalid_field("serverToken", "is required when authMode is \"server_token\"")
}

/// Returns the error for a token in a mode that has none.
pub fn token_misplaced() -> Error {
    Error::invalid_field("serverToken", "is only for authMode \"server_token\"")
}

/// Returns the error for an OAuth configuration in a mode that has none.
pub fn oauth_misplaced() -> Error {
    Error::invalid_field("oauth", "is only for authMode \"oauth\"")
}
