//! `/api/v1/admin/auth/keys`: the API keys of the deployment's callers. A key's text is shown once, by the answer that
//! creates it; the database has its hash.

mod fields;

use kernel::digest::sha256_hex;
use kernel::time::Timestamp;
use kernel::{Error, Result};
use postern_core::auth::{Admin, AdminKeys};
use postern_core::model::api_key::{ApiKey, BOOTSTRAP, generate, local_email, principal};
use postern_core::model::field::{Description, check_description};
use postern_core::oauth::ended_owners;
use postern_core::store::api_keys;
use postern_core::{Family, Platform};
use serde::{Deserialize, Serialize};
use web::answer::Created;
use web::{Head, Json, Path, PathParam, Query, QueryParams};

use self::fields::{
    Email, GoDuration, KeyName, Roles, check_duration, check_email, check_key_name, check_roles,
};

/// Most keys of a page, also when the request does not say.
const MOST: u32 = 1000;
/// Most credentials of a deleted key that are ended right after the answer; a job ends the others.
const ENDED_AT_ONCE: u32 = 5;
const WARNING: &str = "Store this key securely. It will not be shown again.";

pub(super) fn routes(family: Family<AdminKeys>) -> Family<AdminKeys> {
    family
        .get("/auth/keys", list)
        .summary("listKeys", "List API keys, in the order of their names")
        .description("Never the keys themselves. The key of the setting `BOOTSTRAP_ADMIN_KEY` has the source `file`.")
        .returns("A page of them.")
        .post("/auth/keys", create)
        .summary("createKey", "Create an API key")
        .description(
            "The key stands for a new principal: it inherits nothing from a former key of the same name.",
        )
        .returns("Created. The only answer that has the key.")
        .error(400, "A field is missing or does not fit, or a role selects no persona.")
        .error(409, "Another key has the name.")
        .delete("/auth/keys/{name}", remove)
        .summary("deleteKey", "Delete an API key")
        .description(
            "At once here, within five seconds in other instances. The credentials of its principal are deleted and its \
             grants revoked at the providers (RFC 7009).",
        )
        .returns("Deleted.")
        .error(404, "No such key.")
        .error(409, "The key is the one of the setting `BOOTSTRAP_ADMIN_KEY`.")
}

/// A key's name in a path. Any text is accepted here; an unknown name is answered with 404.
struct Name(String);

impl PathParam for Name {
    const NAME: &'static str = "name";

    fn from_param(text: &str) -> Result<Self> {
        Ok(Self(text.to_owned()))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required_of::<postern_core::model::field::DisplayName>("The key's name.")
    }
}

/// `page`, from 1, and `per_page`. A value that does not fit counts as absent.
struct Paging {
    page: u32,
    per_page: u32,
}

impl QueryParams for Paging {
    fn from_query(head: &Head) -> Result<Self> {
        let number =
            |name: &str| head.query(name).and_then(|text| text.parse::<u32>().ok()).filter(|n| *n > 0);
        Ok(Self {
            page: number("page").unwrap_or(1),
            per_page: number("per_page").filter(|n| *n <= MOST).unwrap_or(MOST),
        })
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, web::openapi::Param)> {
        use web::openapi::{Param, integer};

        let most = format!("Most keys of a page; {MOST} when absent.");
        vec![
            ("page", Param::optional("Which page; 1 when absent.", integer(1, u32::MAX))),
            ("per_page", Param::optional(&most, integer(1, MOST))),
        ]
    }
}

/// Where a key is declared.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = KeySource)]
enum Source {
    /// In the setting `BOOTSTRAP_ADMIN_KEY`.
    File,
    /// In the database.
    Database,
}

/// A key, without its text.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Key, description = "An API key, without its text.")]
struct KeyView {
    /// Its unique name.
    name: String,
    /// The holder's address.
    email: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// The roles, which select a persona.
    roles: Vec<String>,
    /// When it expires; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
    /// `true` if it has expired, else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expired: Option<bool>,
    source: Source,
}

/// A page of keys.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Keys, description = "A page of API keys.")]
struct KeysView {
    /// The page's keys.
    keys: Vec<KeyView>,
    /// The number of all keys.
    total: i64,
}

/// Answers 200 `{keys, total}`. The setting's key is among them while it is set.
async fn list(platform: &Platform, _: Admin, Query(paging): Query<Paging>) -> Result<Json<KeysView>> {
    let offset = u64::from(paging.page - 1) * u64::from(paging.per_page);
    let bootstrap = platform.settings.bootstrap_admin_key.is_some();
    let (rows, total) = api_keys::list(platform, paging.per_page, offset, bootstrap).await?;
    let now = platform.now();
    let view = |key: ApiKey| KeyView {
        expired: key.has_expired(now).then_some(true),
        source: if key.name == BOOTSTRAP { Source::File } else { Source::Database },
        name: key.name,
        email: key.email,
        description: key.description,
        roles: key.roles,
        expires_at: key.expires_at,
    };
    Ok(Json(KeysView { keys: rows.into_iter().map(view).collect(), total }))
}

/// The body of a create.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateKey, description = "A new API key.")]
struct CreateRequest {
    /// Its unique name.
    #[schema(value_type = KeyName)]
    name: String,
    /// The holder's address; `<name>@apikey.local` when absent.
    #[schema(value_type = Option<Email>)]
    email: Option<String>,
    /// Free text.
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    /// Roles that select a persona, or `service` for a key of a program.
    #[schema(value_type = Roles)]
    roles: Vec<String>,
    /// How long the key is valid, such as `720h`; for ever when absent.
    #[schema(value_type = Option<GoDuration>)]
    expires_in: Option<String>,
}

/// A new key.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CreatedKey, description = "A new API key, with its text.")]
struct CreatedView {
    /// Its unique name.
    name: String,
    /// The holder's address.
    email: String,
    /// Free text, empty if there is none.
    description: String,
    /// The key: shown here and never again.
    #[schema(format = "password")]
    key: String,
    /// The roles, which select a persona.
    roles: Vec<String>,
    /// When it expires; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
    /// What to do with the key.
    #[schema(example = "Store this key securely. It will not be shown again.")]
    warning: &'static str,
}

/// Answers 201 with the key; 400 for a field that does not fit; 409 for a name that another key has.
async fn create(
    platform: &Platform,
    _: Admin,
    Json(body): Json<CreateRequest>,
) -> Result<Created<CreatedView>> {
    let name = check_key_name(&body.name)?;
    let roles = check_roles(platform, body.roles)?;
    let email = body.email.map_or_else(|| Ok(local_email(&name)), |email| check_email(&email))?;
    let description = body.description.map(|text| check_description("description", &text)).transpose()?;
    let expires_at = body.expires_in.map(|text| check_duration(platform, &text)).transpose()?;
    if name == BOOTSTRAP {
        return Err(Error::duplicate(format!("key with name \"{BOOTSTRAP}\" already exists")));
    }
    let (text, id) = generate(platform.random.as_ref())?;
    let key = ApiKey {
        principal: principal(&id),
        id,
        name,
        hash: sha256_hex(text.expose().as_bytes()),
        email,
        description,
        roles,
        expires_at,
    };
    api_keys::insert(platform, &key).await?;
    let body = CreatedView {
        name: key.name,
        email: key.email,
        description: key.description.unwrap_or_default(),
        key: text.expose().clone(),
        roles: key.roles,
        expires_at: key.expires_at,
        warning: WARNING,
    };
    Ok(Created { body, location: None })
}

/// A deleted key.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = DeletedKey, description = "A deleted API key.")]
struct DeletedView {
    /// Always `key deleted`.
    #[schema(example = "key deleted")]
    message: &'static str,
    /// Its name.
    name: String,
    /// Always `deleted`.
    #[schema(example = "deleted")]
    status: &'static str,
}

/// Answers 200 `{message, name, status}`; 404 without such a key; 409 for the setting's key. What the key's principal
/// was connected to is ended after the answer, in steps.
async fn remove(platform: &Platform, _: Admin, Path(Name(name)): Path<Name>) -> Result<Json<DeletedView>> {
    if name == BOOTSTRAP && platform.settings.bootstrap_admin_key.is_some() {
        return Err(Error::conflict(
            "the key \"bootstrap\" is the value of the setting BOOTSTRAP_ADMIN_KEY: change or remove it there",
        ));
    }
    if api_keys::delete(platform, &name).await?.is_none() {
        return Err(Error::not_found("key not found"));
    }
    platform.later("ending what a deleted key had".to_owned(), async |platform| {
        ended_owners::sweep(platform, ENDED_AT_ONCE).await.map(drop)
    });
    Ok(Json(DeletedView { message: "key deleted", name, status: "deleted" }))
}
