//! What a client wants an integration to be: checked field by field, then sealed for its id. Used by create and install;
//! the rules between the fields also by updates.

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::http::json::present;
use shared::model::credential::{
    HeaderTemplate, ORGANIZATION, SealedCredential, Values, check_templates, wanted_keys,
};
use shared::model::credential_schema;
use shared::model::integration::{AuthMode, Category, Content, ToolPolicy, check_token};
use shared::model::oauth::{Grant, OauthConfig};
use shared::net::SafeUrl;
use shared::seal::Secret;
use shared::{Error, Platform, Result, vault};

/// OAuth configuration as clients write it. Absent `clientSecret`: unchanged; `null`: removed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OauthInput {
    provider: Option<String>,
    issuer: Option<String>,
    scopes: Option<Vec<String>>,
    client_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    client_secret: Option<Option<Secret<String>>>,
    authorization_url: Option<String>,
    token_url: Option<String>,
    /// `prompt` of authorization requests, such as `consent`.
    prompt: Option<String>,
    /// Leaves `resource` out of every request.
    omit_resource: Option<bool>,
    /// How tokens are got; each user's consent when absent.
    grant: Option<Grant>,
}

impl OauthInput {
    /// What an installation declares.
    pub(crate) fn declared(provider: Option<String>, issuer: Option<String>, scopes: Vec<String>) -> Self {
        Self {
            provider,
            issuer,
            scopes: Some(scopes),
            client_id: None,
            client_secret: None,
            authorization_url: None,
            token_url: None,
            prompt: None,
            omit_resource: None,
            grant: None,
        }
    }

    /// Checks it and puts it in place of what `content` of the integration `id` has. A secret that is not mentioned stays
    /// while the client is the same.
    pub(crate) fn apply(&self, platform: &Platform, id: &str, content: &mut Content) -> Result<()> {
        let config = OauthConfig {
            provider: self.provider.clone(),
            issuer: self.issuer.clone(),
            scopes: self.scopes.clone().unwrap_or_default(),
            client_id: self.client_id.clone(),
            authorization_url: self.authorization_url.clone(),
            token_url: self.token_url.clone(),
            prompt: self.prompt.clone(),
            omit_resource: self.omit_resource.unwrap_or_default(),
            grant: self.grant,
        };
        config.check(platform.settings.net)?;
        let former_client = content.oauth.as_ref().and_then(|oauth| oauth.client_id.as_deref());
        let is_same_client = former_client == config.client_id.as_deref();
        match &self.client_secret {
            Some(Some(secret)) => {
                if config.client_id.is_none() {
                    return Err(Error::invalid("oauth.clientSecret needs oauth.clientId"));
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

/// A new integration's content, and its secrets still open.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) url: String,
    pub(crate) category: Category,
    pub(crate) auth_mode: AuthMode,
    pub(crate) oauth: Option<OauthInput>,
    pub(crate) capabilities: Option<Box<RawValue>>,
    pub(crate) credential_schema: Option<Box<RawValue>>,
    pub(crate) headers: Option<Vec<HeaderTemplate>>,
    pub(crate) tool_policy: ToolPolicy,
    pub(crate) source: Option<String>,
    /// The organization's credential.
    pub(crate) credential: Option<Values>,
}

impl Draft {
    /// Checks every field and the rules between them, and seals what is secret for the integration `id`.
    pub(crate) fn seal(&self, platform: &Platform, id: &str) -> Result<(Content, Option<SealedCredential>)> {
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
            (Some(values), AuthMode::ServerToken) => Some(vault::seal(platform, ORGANIZATION, values)?),
            (Some(_), _) => return Err(token_misplaced()),
            (None, _) => None,
        };
        Ok((content, credential))
    }
}

pub(crate) fn check_url(platform: &Platform, url: &str) -> Result<String> {
    SafeUrl::parse(url, platform.settings.net)
        .map(|url| url.as_str().to_owned())
        .map_err(|refused| Error::invalid(refused.0))
}

/// `{tools?, resources?, prompts?}`, kept as declared; Kontext's own examples also show an array.
pub(crate) fn check_capabilities(capabilities: Option<&RawValue>) -> Result<()> {
    match capabilities {
        Some(json) if !json.get().starts_with(['{', '[']) => {
            Err(Error::invalid("capabilities must be an object"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_schema(schema: Option<&RawValue>) -> Result<()> {
    schema.map_or(Ok(()), credential_schema::check)
}

/// Checks and seals header templates; without any credential there is nothing to put into placeholders.
pub(crate) fn seal_headers(
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

pub(crate) fn server_token(token: &Secret<String>) -> Result<Values> {
    check_token("serverToken", token.expose())?;
    Ok(Values::token(token.expose().clone()))
}

pub(crate) fn token_missing() -> Error {
    Error::invalid("serverToken is required when authMode is \"server_token\"")
}

pub(crate) fn token_misplaced() -> Error {
    Error::invalid("serverToken is only for authMode \"server_token\"")
}

pub(crate) fn oauth_misplaced() -> Error {
    Error::invalid("oauth is only for authMode \"oauth\"")
}
