//! `POST /integrations/install`.
//!
//! (1) Read strictly; (2) turn the source (a catalogue id, an https URL or an inline template) into a draft; (3) store it,
//! stopped, also in the place of one that was removed; (4) answer 201; (5) probe the upstream after the answer, so that
//! its tools are known before it is started.

mod source;

use std::collections::BTreeMap;

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use postern_core::auth::Caller;
use web::dialect::HozironError;
use web::{Request, Response};
use postern_core::model::credential::{HeaderTemplate, TOKEN, Values, check_templates, wanted_keys};
use postern_core::model::integration::{AuthMode, Category, State, ToolPolicy, check_description, check_name, check_slug, slug};
use kernel::secret::Secret;
use kernel::{Code, Error, Result};
use postern_core::Platform;
use url::Url;

use self::source::{DeclaredOauth, Source, Template};
use crate::catalog;
use crate::openapi::{config, credential_values};
use postern_core::upstream::validation::validate_later;
use postern_core::registry::draft::{Draft, OauthInput};
use postern_core::registry::place::{Placing, place};

/// The body of an install.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(description = "What to install. Unknown fields are refused.")]
pub(crate) struct InstallRequest {
    #[schema(inline)]
    source: Source,
    /// The slug to install it under; otherwise the catalogue id, or one made of the URL's host.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$")]
    id: Option<String>,
    /// Display name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(schema_with = credential_values, required = false)]
    credentials: Option<BTreeMap<String, Secret<String>>>,
    #[schema(schema_with = config, required = false)]
    config: Option<BTreeMap<String, Value>>,
}

/// Whether an id is installed now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "Whether something is installed now.")]
pub(crate) struct Installation {
    /// Its slug.
    pub(super) id: String,
    pub(super) installed: bool,
}

/// 201 `{id, installed: true}`; 400, 401, 403, 404, 409.
#[utoipa::path(
    post,
    path = "/integrations/install",
    operation_id = "install",
    tag = "Hoziron",
    summary = "Install an integration",
    description = "It is born stopped. The upstream is probed after the answer, so that its tools are known soon.",
    request_body = InstallRequest,
    responses(
        (
            status = 201,
            description = "Installed, not started.",
            body = Installation,
            headers(("Location" = String, description = "Where it is."))
        ),
        (
            status = 400,
            description = "A field or a rule between two of them is broken, or a credential has an unknown key.",
            body = HozironError
        ),
        (status = 404, description = "The catalogue has no such entry.", body = HozironError),
        (status = 409, description = "Something of this id or name is already installed.", body = HozironError)
    )
)]
pub(crate) async fn install(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    // (1)
    let body: InstallRequest = web::json::parse(&request.body)?;
    // (2)
    let chosen_name = body.name.as_deref().map(check_name).transpose()?;
    let chosen_id = body.id.as_deref().map(check_slug).transpose()?;
    let Prepared { id, mut draft } = prepare(body)?;
    let id = chosen_id.unwrap_or(id);
    let is_chosen = chosen_name.is_some();
    draft.name = chosen_name.unwrap_or(draft.name);
    // (3)
    let placing = Placing { slug: Some(&id), state: State::Stopped, revives: true, viewer: &caller.subject };
    let placed = match place(platform, &draft, &placing).await {
        // Only the display name is taken, and nobody chose it.
        Err(error) if error.code == Code::Duplicate && !is_chosen && !is_installed(platform, &id).await? => {
            draft.name = check_name(&format!("{} ({id})", draft.name))?;
            place(platform, &draft, &placing).await?
        }
        placed => placed?,
    };
    // (4)
    let body = Installation { id: placed.slug.clone(), installed: true };
    let mut response = web::request::json(StatusCode::CREATED, &body)?;
    if let Ok(location) = HeaderValue::from_str(&format!("/integrations/{}", placed.slug)) {
        response.headers_mut().insert(LOCATION, location);
    }
    // (5)
    validate_later(platform, placed, caller.subject);
    Ok(response)
}

async fn is_installed(platform: &Platform, slug: &str) -> Result<bool> {
    Ok(postern_core::store::integrations::find_by_slug(platform, slug).await?.is_some())
}

struct Prepared {
    id: String,
    draft: Draft,
}

fn prepare(body: InstallRequest) -> Result<Prepared> {
    let credentials = body.credentials;
    let config = Config::read(body.config.unwrap_or_default())?;
    match body.source {
        Source::Text(source) if source.contains("://") => {
            config.no_variables(&[])?;
            let template = Template {
                url: source.clone(),
                name: None,
                description: None,
                auth_mode: None,
                headers: None,
                credentials: Vec::new(),
                oauth: None,
            };
            from_template(template, Some(source), credentials, &config)
        }
        Source::Text(source) => from_catalogue(&source, credentials, &config),
        Source::Inline(template) => {
            config.no_variables(&[])?;
            from_template(*template, None, credentials, &config)
        }
    }
}

fn from_catalogue(
    source: &str,
    credentials: Option<BTreeMap<String, Secret<String>>>,
    config: &Config,
) -> Result<Prepared> {
    if source.is_empty() {
        return Err(Error::invalid("source must not be empty"));
    }
    let entry = catalog::find(source)?
        .ok_or_else(|| Error::not_found("the catalogue has no such entry: see GET /integrations/catalog"))?;
    let variables: Vec<&str> = entry.variables.iter().map(|variable| variable.key.as_str()).collect();
    config.no_variables(&variables)?;
    let url = entry.url_with(&config.variables)?;
    let oauth = entry.oauth.map(|oauth| DeclaredOauth {
        provider: Some(oauth.provider),
        issuer: None,
        scopes: oauth.scopes,
    });
    let template = Template {
        url,
        name: Some(entry.name),
        description: Some(entry.description),
        auth_mode: Some(entry.auth_mode),
        headers: if entry.headers.is_empty() { None } else { Some(entry.headers) },
        credentials: Vec::new(),
        oauth,
    };
    let prepared = from_template(template, Some(entry.id), credentials, config)?;
    Ok(Prepared { id: check_slug(source)?, ..prepared })
}

fn from_template(
    template: Template,
    source: Option<String>,
    credentials: Option<BTreeMap<String, Secret<String>>>,
    config: &Config,
) -> Result<Prepared> {
    let is_explicit = template.headers.is_some();
    let headers = template.headers.unwrap_or_else(|| vec![HeaderTemplate::bearer()]);
    check_templates(&headers)?;
    let wanted: Vec<String> = wanted_keys(&headers).into_iter().map(ToOwned::to_owned).collect();
    if let Some(unused) = template.credentials.iter().find(|declared| !wanted.contains(&declared.key)) {
        return Err(Error::invalid(format!("no header uses the declared credential \"{}\"", unused.key)));
    }
    let values = credentials.map(|given| check_keys(given, &wanted)).transpose()?;
    let auth_mode = match (config.auth_mode, &values) {
        (Some(mode), _) => mode,
        (None, Some(_)) => AuthMode::ServerToken,
        (None, None) => template.auth_mode.unwrap_or(match (&template.oauth, source.is_none()) {
            (Some(_), _) => AuthMode::Oauth,
            // A placeholder is a need, declared or not.
            (None, true) if !wanted.is_empty() && (is_explicit || !template.credentials.is_empty()) => {
                AuthMode::ServerToken
            }
            (None, _) => AuthMode::None,
        }),
    };
    if values.is_some() && auth_mode != AuthMode::ServerToken {
        return Err(Error::invalid("credentials are only for auth_mode \"server_token\""));
    }
    let url = template.url;
    let id = host_slug(&url);
    let name = match template.name {
        Some(name) => check_name(&name)?,
        None => id.clone(),
    };
    let oauth = template.oauth.filter(|_| auth_mode == AuthMode::Oauth);
    let draft = Draft {
        name,
        description: template.description.as_deref().map(check_description).transpose()?,
        url,
        category: Category::GatewayRemoteMcp,
        auth_mode,
        oauth: oauth.map(|oauth| OauthInput {
            provider: oauth.provider,
            issuer: oauth.issuer,
            scopes: Some(oauth.scopes),
            ..OauthInput::default()
        }),
        capabilities: None,
        credential_schema: None,
        // The default needs no row; without any credential, placeholders have nothing to stand for.
        headers: Some(headers).filter(|headers| {
            !is_bearer(headers) && (auth_mode != AuthMode::None || wanted_keys(headers).is_empty())
        }),
        tool_policy: config.tool_policy,
        source: Some(source.unwrap_or_else(|| "inline".to_owned())),
        credential: values,
    };
    Ok(Prepared { id, draft })
}

fn is_bearer(headers: &[HeaderTemplate]) -> bool {
    let bearer = HeaderTemplate::bearer();
    matches!(headers, [only] if only.name.eq_ignore_ascii_case(&bearer.name) && only.value == bearer.value)
}

/// Only keys that some header uses; a lone `token` stands for a lone key.
pub(super) fn check_keys(given: BTreeMap<String, Secret<String>>, wanted: &[String]) -> Result<Values> {
    let values = Values::check(given)?;
    let is_known =
        |key: &str| wanted.iter().any(|wanted| wanted == key) || (key == TOKEN && wanted.len() == 1);
    if values.keys().all(is_known) {
        return Ok(values);
    }
    Err(Error::invalid(format!("unknown credential key: this integration has {}", wanted.join(", "))))
}

/// The slug of a URL's host and, where it is unusual, port.
fn host_slug(url: &str) -> String {
    let authority = Url::parse(url).ok().map(|url| {
        let port = url.port().map_or_else(String::new, |port| format!("-{port}"));
        format!("{}{port}", url.host_str().unwrap_or_default())
    });
    slug(&authority.unwrap_or_default(), 0)
}

/// `config`: two settings of Postern's, the rest are variables of the catalogue entry.
struct Config {
    auth_mode: Option<AuthMode>,
    tool_policy: ToolPolicy,
    variables: BTreeMap<String, String>,
}

impl Config {
    fn read(mut given: BTreeMap<String, Value>) -> Result<Self> {
        let wrong = |field: &str| Error::invalid(format!("config.{field} has an unknown value"));
        let auth_mode = given.remove("auth_mode").map(serde_json::from_value).transpose();
        let tool_policy = given.remove("tool_policy").map(serde_json::from_value).transpose();
        let mut variables = BTreeMap::new();
        for (key, value) in given {
            let Value::String(value) = value else {
                return Err(Error::invalid("the variables in config must be strings"));
            };
            variables.insert(key, value);
        }
        Ok(Self {
            auth_mode: auth_mode.map_err(|_| wrong("auth_mode"))?,
            tool_policy: tool_policy.map_err(|_| wrong("tool_policy"))?.unwrap_or(ToolPolicy::Auto),
            variables,
        })
    }

    /// Refuses variables that the source does not have.
    fn no_variables(&self, known: &[&str]) -> Result<()> {
        match self.variables.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(Error::invalid(format!("unknown field \"config.{unknown}\""))),
            None => Ok(()),
        }
    }
}
