//! Starts, stops, restarts and removes installed integrations.
//!
//! There is no process at the edge: a start probes the upstream, stores its catalogue and marks the integration as
//! running; `pid` counts the starts. Starting a running integration and stopping a stopped one change nothing; one whose
//! status is `error` is probed again when it is started.

use std::collections::BTreeMap;

use kernel::secret::Secret;
use kernel::{Code, Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::schema::CredentialValues;
use postern_core::model::credential::{ORGANIZATION, wanted_keys};
use postern_core::model::integration::{AuthMode, Integration, Slug, State};
use postern_core::store::{credentials, integrations};
use postern_core::upstream::validation::{Verdict, validate};
use postern_core::{Family, Platform, vault};
use serde::{Deserialize, Serialize};
use web::extract::flag;
use web::{Head, Json, OptionalJson, Path, Query, QueryParams};

use super::install::{Installation, check_keys, credentials_misplaced};
use super::load;
use super::read::Status;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .delete("/{id}", remove)
        .summary("remove", "Remove an integration")
        .description("Its credentials and its catalogue are deleted.")
        .returns("Removed.")
        .error(400, "`id` cannot be a slug, or `force` is not a boolean.")
        .error(404, "No such integration is installed.")
        .error(405, "`id` is `catalog`, which is the catalogue.")
        .error(409, "It is running, and `force` is not `true`.")
        .post("/{id}/start", start)
        .summary("start", "Start an integration")
        .description(
            "Probes the upstream, stores its tools and offers them. A running one stays as it is, but where its status is \
             `error` the upstream is probed again.",
        )
        .returns("It is running.")
        .error(400, "`id` cannot be a slug, or a credential has an unknown key.")
        .error(404, "No such integration is installed.")
        .error(
            409,
            "Credentials are missing: `details.missing` has their keys. Or it was changed meanwhile.",
        )
        .error(502, "The upstream is not usable; it stays as it was.")
        .post("/{id}/stop", stop)
        .summary("stop", "Stop an integration")
        .description(
            "Its tools leave every list and are refused. What is known of it stays. A stopped one stays as it is.",
        )
        .returns("It is stopped.")
        .error(400, "`id` cannot be a slug.")
        .error(404, "No such integration is installed.")
        .post("/{id}/restart", restart)
        .summary("restart", "Start an integration anew")
        .description("Probes the upstream and counts its uptime from zero, under a new `pid`.")
        .returns("It is running.")
        .error(400, "`id` cannot be a slug.")
        .error(404, "No such integration is installed.")
        .error(409, "Credentials are missing: `details.missing` has their keys.")
        .error(502, "The upstream is not usable; it stays as it was.")
}

/// The optional body of a start request.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(description = "Added to what the organization's credential has. The body may be left out.")]
struct StartRequest {
    /// The values that the integration's headers need, by key.
    #[schema(value_type = Option<CredentialValues>)]
    credentials: Option<BTreeMap<String, Secret<String>>>,
}

/// What an integration does now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "What an installed integration does now.")]
struct Lifecycle {
    /// Its slug.
    id: String,
    status: Status,
    /// How often it was started; only while it is running. Not a process id: there is no process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pid: Option<i64>,
}

async fn start(
    platform: &Platform,
    admin: Admin,
    OptionalJson(body): OptionalJson<StartRequest>,
    Path(slug): Path<Slug>,
) -> Result<Json<Lifecycle>> {
    let integration = load(platform, &slug).await?;
    if let Some(given) = body.and_then(|body| body.credentials) {
        keep(platform, &integration, given).await?;
    }
    if integration.state == State::Stopped {
        probe(platform, &admin, &integration).await?;
        integrations::start(platform, &integration.id).await?;
    } else if integration.is_broken() {
        probe(platform, &admin, &integration).await?;
    }
    Ok(Json(running(load(platform, &slug).await?)))
}

async fn restart(platform: &Platform, admin: Admin, Path(slug): Path<Slug>) -> Result<Json<Lifecycle>> {
    let integration = load(platform, &slug).await?;
    probe(platform, &admin, &integration).await?;
    integrations::restart(platform, &integration.id).await?;
    Ok(Json(running(load(platform, &slug).await?)))
}

async fn stop(platform: &Platform, _: Admin, Path(slug): Path<Slug>) -> Result<Json<Lifecycle>> {
    let integration = load(platform, &slug).await?;
    integrations::stop(platform, &integration.id).await?;
    Ok(Json(Lifecycle { id: integration.slug, status: Status::Stopped, pid: None }))
}

/// The query parameter `force`.
struct Force(bool);

impl QueryParams for Force {
    fn from_query(head: &Head) -> Result<Self> {
        flag(head, "force").map(Self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, web::openapi::Param)> {
        use utoipa::openapi::{ObjectBuilder, Type};

        let boolean = ObjectBuilder::new().schema_type(Type::Boolean);
        vec![("force", web::openapi::Param::optional("Also while it is running; `false`.", boolean))]
    }
}

async fn remove(
    platform: &Platform,
    _: Admin,
    Query(Force(force)): Query<Force>,
    Path(slug): Path<Slug>,
) -> Result<Json<Installation>> {
    let integration = load(platform, &slug).await?;
    if !integrations::archive(platform, &integration.id, force).await? {
        // Either the integration is running, or another request has removed it since: then `load` answers 404.
        load(platform, &slug).await?;
        return Err(Error::conflict(
            "the integration is running: stop it first, or remove it with ?force=true",
        ));
    }
    Ok(Json(Installation { id: integration.slug, installed: false }))
}

/// Adds the values `given` to the organization's credential. An unknown key is refused, as are values for an
/// integration whose mode is not `server_token`; the error is 409 if another request changed the integration at the
/// same time.
async fn keep(
    platform: &Platform,
    integration: &Integration,
    given: BTreeMap<String, Secret<String>>,
) -> Result<()> {
    if integration.content.auth_mode != AuthMode::ServerToken {
        return Err(credentials_misplaced());
    }
    let templates = vault::open_templates(platform, &integration.id, integration.content.headers.as_deref())
        .ok_or_else(|| Error::internal("the header templates do not open"))?;
    let wanted: Vec<String> = wanted_keys(&templates).into_iter().map(ToOwned::to_owned).collect();
    let given = check_keys(given, &wanted)?;
    let stored = credentials::of_organization(platform, &integration.id).await?;
    // A stored credential that cannot be decrypted any more is replaced.
    let values = match stored.and_then(|stored| vault::open(platform, &stored)) {
        Some(stored) => stored.merged(given),
        None => given,
    };
    let credential = vault::seal(platform, &integration.id, &integration.content.url, ORGANIZATION, &values)?;
    if credentials::put(platform, &integration.id, integration.revision, &credential).await? {
        Ok(())
    } else {
        Err(Error::conflict("the integration was changed meanwhile: try again"))
    }
}

async fn probe(platform: &Platform, admin: &Admin, integration: &Integration) -> Result<()> {
    match validate(platform, integration, &admin.subject).await? {
        Verdict::Usable => Ok(()),
        Verdict::Unusable(reason) => Err(Error::new(Code::Upstream, reason)),
        Verdict::CredentialsMissing(keys) => {
            let message = format!("credentials are missing: {}", keys.join(", "));
            Err(Error::conflict(message).with_detail("missing", keys))
        }
    }
}

fn running(integration: Integration) -> Lifecycle {
    Lifecycle { id: integration.slug, status: Status::Running, pid: Some(integration.generation) }
}
