//! `POST /integrations/install`: installs an integration.
//!
//! (1) The source (a catalogue id, an https URL or an inline template) becomes a draft; (2) the draft is stored as a
//! stopped integration, also in the place of an archived one of the same name; (3) the upstream is probed after the
//! answer, so that the tools are known before the integration is started; (4) the answer is 201.

mod source;

use std::collections::BTreeMap;

use kernel::secret::Secret;
use kernel::{Code, Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::schema::CredentialValues;
use postern_core::model::credential::{HeaderTemplate, TOKEN, Values, check_templates, wanted_keys};
use postern_core::model::field::{DisplayName, check_description, check_name, check_slug, slug};
use postern_core::model::integration::{AuthMode, Category, Slug, State, ToolPolicy};
use postern_core::registry::draft::{Draft, OauthInput};
use postern_core::registry::place::{Placing, place};
use postern_core::store::integrations;
use postern_core::upstream::validation::validate_later;
use postern_core::{Family, Platform};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use web::{Created, Json, Ruled, Rules};

use self::source::{DeclaredOauth, InstallSource, Source, Template};
use crate::directory;
use crate::schemas::InstallConfig;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .post("/install", install)
        .summary("install", "Install an integration")
        .description(
            "It is born stopped. The upstream is probed after the answer, so that its tools are known soon.",
        )
        .returns("Installed, not started.")
        .header("Location", "Where it is.")
        .error(400, "A field or a rule between two of them is broken, or a credential has an unknown key.")
        .error(404, "The catalogue has no such entry.")
        .error(409, "Something of this id or name is already installed.")
}

/// The body of an install request.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(description = "What to install. Unknown fields are refused.")]
struct InstallRequest {
    /// Where to install from.
    #[schema(value_type = InstallSource)]
    source: Source,
    /// The slug to install it under; otherwise the catalogue id, or one made of the URL's host.
    #[schema(value_type = Option<Slug>)]
    id: Option<String>,
    /// Display name.
    #[schema(value_type = Option<DisplayName>)]
    name: Option<String>,
    /// The values that the headers need, by key.
    #[schema(value_type = Option<CredentialValues>)]
    credentials: Option<BTreeMap<String, Secret<String>>>,
    /// Settings, and the variables of the catalogue entry.
    #[schema(value_type = Option<InstallConfig>)]
    config: Option<BTreeMap<String, Value>>,
}

impl Rules for InstallRequest {
    fn alternatives() -> Value {
        json!([
            { "title": "Without credentials", "properties": { "credentials": { "type": "null" } } },
            {
                "title": "With the organization's credentials",
                "required": ["credentials"],
                "properties": {
                    "credentials": { "type": "object" },
                    "config": { "properties": { "auth_mode": { "const": "server_token" } } },
                },
            },
        ])
    }
}

/// Whether an id is installed now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "Whether something is installed now.")]
pub(crate) struct Installation {
    /// Its slug.
    pub(super) id: String,
    pub(super) installed: bool,
}

async fn install(
    platform: &Platform,
    admin: Admin,
    Json(Ruled(body)): Json<Ruled<InstallRequest>>,
) -> Result<Created<Installation>> {
    // (1)
    let chosen_name = body.name.as_deref().map(|name| check_name("name", name)).transpose()?;
    let chosen_id = body.id.as_deref().map(|id| check_slug("id", id)).transpose()?;
    let Prepared { id, mut draft } = prepare(body)?;
    let id = chosen_id.unwrap_or(id);
    let is_chosen = chosen_name.is_some();
    draft.name = chosen_name.unwrap_or(draft.name);
    // (2)
    let placing = Placing { slug: Some(&id), state: State::Stopped, revives: true, viewer: &admin.subject };
    let placed = match place(platform, &draft, &placing).await {
        // Only the display name is taken, and the client did not choose that name.
        Err(error) if error.code == Code::Duplicate && !is_chosen && !is_installed(platform, &id).await? => {
            draft.name = check_name("name", &format!("{} ({id})", draft.name))?;
            place(platform, &draft, &placing).await?
        }
        placed => placed?,
    };
    let body = Installation { id: placed.slug.clone(), installed: true };
    let location = Some(format!("/integrations/{}", placed.slug));
    // (3)
    validate_later(platform, placed, admin.subject.clone());
    // (4)
    Ok(Created { body, location })
}

async fn is_installed(platform: &Platform, slug: &str) -> Result<bool> {
    Ok(integrations::find_by_slug(platform, slug).await?.is_some())
}

/// What a source was turned into.
struct Prepared {
    /// The slug to install the draft under, if the client chose none.
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
        return Err(Error::invalid_field("source", "must not be empty"));
    }
    let entry = directory::find(source)?
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
    Ok(Prepared { id: check_slug("id", source)?, ..prepared })
}

fn from_template(
    template: Template,
    source: Option<String>,
    credentials: Option<BTreeMap<String, Secret<String>>>,
    config: &Config,
) -> Result<Prepared> {
    let has_headers = template.headers.is_some();
    let headers = template.headers.unwrap_or_else(|| vec![HeaderTemplate::bearer()]);
    check_templates(&headers)?;
    let wanted: Vec<String> = wanted_keys(&headers).into_iter().map(ToOwned::to_owned).collect();
    if let Some(unused) = template.credentials.iter().find(|declared| !wanted.contains(&declared.key)) {
        return Err(Error::invalid(format!("no header uses the declared credential \"{}\"", unused.key)));
    }
    let values = credentials.map(|given| check_keys(given, &wanted)).transpose()?;
    // In an inline template a placeholder says that a credential is needed, whether or not the template declares it.
    let needs_credential =
        source.is_none() && !wanted.is_empty() && (has_headers || !template.credentials.is_empty());
    let auth_mode = config.auth_mode.unwrap_or(match (&values, template.auth_mode, &template.oauth) {
        (Some(_), _, _) => AuthMode::ServerToken,
        (None, Some(mode), _) => mode,
        (None, None, Some(_)) => AuthMode::Oauth,
        (None, None, None) if needs_credential => AuthMode::ServerToken,
        (None, None, None) => AuthMode::None,
    });
    if values.is_some() && auth_mode != AuthMode::ServerToken {
        return Err(credentials_misplaced());
    }
    let url = template.url;
    let id = host_slug(&url);
    let name = template.name.map_or_else(|| Ok(id.clone()), |name| check_name("name", &name))?;
    let description = template.description.map(|text| check_description("description", &text)).transpose()?;
    let oauth = template.oauth.filter(|_| auth_mode == AuthMode::Oauth);
    let draft = Draft {
        name,
        description,
        url,
        category: Category::GatewayRemoteMcp,
        auth_mode,
        oauth: oauth.map(OauthInput::from),
        capabilities: None,
        credential_schema: None,
        // `Authorization: Bearer {token}` is the default and not stored; without a credential no placeholder can be
        // filled in.
        headers: Some(headers).filter(|headers| {
            !is_bearer(headers) && (auth_mode != AuthMode::None || wanted_keys(headers).is_empty())
        }),
        tool_policy: config.tool_policy,
        source: Some(source.unwrap_or_else(|| "inline".to_owned())),
        credential: values,
    };
    Ok(Prepared { id, draft })
}

impl From<DeclaredOauth> for OauthInput {
    fn from(declared: DeclaredOauth) -> Self {
        let DeclaredOauth { provider, issuer, scopes } = declared;
        Self { provider, issuer, scopes: Some(scopes), ..Self::default() }
    }
}

fn is_bearer(headers: &[HeaderTemplate]) -> bool {
    matches!(headers, [only] if only.is_bearer())
}

/// Checks that every key of the credentials `given` is one that some header uses. Where the headers use one key only,
/// `token` may stand for that key.
pub(super) fn check_keys(given: BTreeMap<String, Secret<String>>, wanted: &[String]) -> Result<Values> {
    let values = Values::check(given)?;
    let is_known =
        |key: &str| wanted.iter().any(|wanted| wanted == key) || (key == TOKEN && wanted.len() == 1);
    if values.keys().all(is_known) {
        return Ok(values);
    }
    Err(Error::invalid(format!("unknown credential key: this integration has {}", wanted.join(", "))))
}

/// The error for credentials of the organization in an `auth_mode` that uses none.
pub(super) fn credentials_misplaced() -> Error {
    Error::invalid_field("credentials", "are only for auth_mode \"server_token\"")
}

/// Returns the slug of a URL's host and, if it is not the default one, port.
fn host_slug(url: &str) -> String {
    let authority = Url::parse(url).ok().map(|url| {
        let port = url.port().map_or_else(String::new, |port| format!("-{port}"));
        format!("{}{port}", url.host_str().unwrap_or_default())
    });
    slug(&authority.unwrap_or_default(), 0)
}

/// The field `config`: two settings of Postern's, and the variables of the catalogue entry.
struct Config {
    auth_mode: Option<AuthMode>,
    tool_policy: ToolPolicy,
    variables: BTreeMap<String, String>,
}

impl Config {
    fn read(mut given: BTreeMap<String, Value>) -> Result<Self> {
        let wrong = |field: &str| Error::invalid_field(&format!("config.{field}"), "has an unknown value");
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

    /// Refuses variables that are not in `known`, the variables of the source.
    fn no_variables(&self, known: &[&str]) -> Result<()> {
        match self.variables.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => {
                let error = Error::invalid(format!("unknown field \"config.{unknown}\""));
                Err(error.with_reason(format!("config.{unknown}"), "is not a known field"))
            }
            None => Ok(()),
        }
    }
}
