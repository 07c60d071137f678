//! `DELETE /integrations/{id}`, and `POST …/start`, `/stop`, `/restart`.
//!
//! There is no process at the edge: starting probes the upstream, stores its catalogue and marks the integration as
//! running; its `pid` counts how often that happened. Starting a running one and stopping a stopped one change nothing.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use postern_core::auth::Caller;
use web::dialect::HozironError;
use web::request::json;
use web::{Request, Response};
use postern_core::upstream::validation::{Verdict, validate};
use postern_core::model::credential::{ORGANIZATION, wanted_keys};
use postern_core::model::integration::{AuthMode, Integration, State};
use kernel::secret::Secret;
use postern_core::store::{credentials, integrations};
use kernel::{Code, Error, Result};
use postern_core::{Platform, vault};

use super::install::{Installation, check_keys};
use super::load;
use super::read::Status;
use crate::openapi::credential_values;

/// The body of a start; it may be absent.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(description = "Added to what the organization's credential has. The body may be left out.")]
pub(crate) struct StartRequest {
    #[schema(schema_with = credential_values, required = false)]
    credentials: Option<BTreeMap<String, Secret<String>>>,
}

/// What an integration does now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "What an installed integration does now.")]
pub(crate) struct Lifecycle {
    /// Its slug.
    id: String,
    status: Status,
    /// How often it was started; only while it is running. Not a process id: there is no process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pid: Option<i64>,
}

/// 200 `{id, status: "running", pid}`; 409 while credentials are missing; 502 when the upstream is unusable.
#[utoipa::path(
    post,
    path = "/integrations/{id}/start",
    operation_id = "start",
    tag = "Hoziron",
    summary = "Start an integration",
    description = "Probes the upstream, stores its tools and offers them. A running one stays as it is.",
    params(("id" = String, Path, description = "The integration's slug.")),
    request_body = Option<StartRequest>,
    responses(
        (status = 200, description = "It is running.", body = Lifecycle),
        (status = 400, description = "`id` cannot be a slug, or a credential has an unknown key.", body = HozironError),
        (status = 404, description = "No such integration is installed.", body = HozironError),
        (
            status = 409,
            description = "Credentials are missing: `details.missing` has their keys. Or it was changed meanwhile.",
            body = HozironError
        ),
        (status = 502, description = "The upstream is not usable; it stays stopped.", body = HozironError)
    )
)]
pub(crate) async fn start(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let body = if request.body.is_empty() {
        None
    } else {
        web::json::parse::<StartRequest>(&request.body)?.credentials
    };
    let integration = load(platform, &request).await?;
    if let Some(given) = body {
        keep(platform, &integration, given).await?;
    }
    if integration.state == State::Stopped {
        probe(platform, &caller, &integration).await?;
        integrations::start(platform, &integration.id).await?;
    }
    running(&load(platform, &request).await?)
}

/// 200 like start, with a new `pid` and its uptime from zero. When the upstream is unusable it stays as it was.
#[utoipa::path(
    post,
    path = "/integrations/{id}/restart",
    operation_id = "restart",
    tag = "Hoziron",
    summary = "Start an integration anew",
    description = "Probes the upstream and counts its uptime from zero, under a new `pid`.",
    params(("id" = String, Path, description = "The integration's slug.")),
    responses(
        (status = 200, description = "It is running.", body = Lifecycle),
        (status = 400, description = "`id` cannot be a slug.", body = HozironError),
        (status = 404, description = "No such integration is installed.", body = HozironError),
        (status = 409, description = "Credentials are missing: `details.missing` has their keys.", body = HozironError),
        (status = 502, description = "The upstream is not usable; it stays as it was.", body = HozironError)
    )
)]
pub(crate) async fn restart(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &request).await?;
    probe(platform, &caller, &integration).await?;
    integrations::restart(platform, &integration.id).await?;
    running(&load(platform, &request).await?)
}

/// 200 `{id, status: "stopped"}`. Its tools leave every list and are refused; catalogue and credentials stay.
#[utoipa::path(
    post,
    path = "/integrations/{id}/stop",
    operation_id = "stop",
    tag = "Hoziron",
    summary = "Stop an integration",
    description = "Its tools leave every list and are refused. What is known of it stays. A stopped one stays as it is.",
    params(("id" = String, Path, description = "The integration's slug.")),
    responses(
        (status = 200, description = "It is stopped.", body = Lifecycle),
        (status = 400, description = "`id` cannot be a slug.", body = HozironError),
        (status = 404, description = "No such integration is installed.", body = HozironError)
    )
)]
pub(crate) async fn stop(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &request).await?;
    integrations::stop(platform, &integration.id).await?;
    json(StatusCode::OK, &Lifecycle { id: integration.slug, status: Status::Stopped, pid: None })
}

/// 200 `{id, installed: false}`; 409 while it is running, unless `?force=true`. Secrets and catalogue are deleted.
#[utoipa::path(
    delete,
    path = "/integrations/{id}",
    operation_id = "remove",
    tag = "Hoziron",
    summary = "Remove an integration",
    description = "Its credentials and its catalogue are deleted.",
    params(
        ("id" = String, Path, description = "The integration's slug."),
        ("force" = Option<bool>, Query, nullable = false, description = "Also while it is running; `false`.")
    ),
    responses(
        (status = 200, description = "Removed.", body = Installation),
        (status = 400, description = "`id` cannot be a slug, or `force` is not a boolean.", body = HozironError),
        (status = 404, description = "No such integration is installed.", body = HozironError),
        (status = 409, description = "It is running, and `force` is not `true`.", body = HozironError)
    )
)]
pub(crate) async fn remove(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let force = match request.query("force").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::invalid("force must be true or false")),
    };
    let integration = load(platform, &request).await?;
    if !integrations::archive(platform, &integration.id, force).await? {
        // Either it is running, or somebody else removed it meanwhile: then this is a 404.
        load(platform, &request).await?;
        return Err(Error::conflict(
            "the integration is running: stop it first, or remove it with ?force=true",
        ));
    }
    json(StatusCode::OK, &Installation { id: integration.slug, installed: false })
}

/// Adds to the organization's credential.
async fn keep(
    platform: &Platform,
    integration: &Integration,
    given: BTreeMap<String, Secret<String>>,
) -> Result<()> {
    if integration.content.auth_mode != AuthMode::ServerToken {
        return Err(Error::invalid("credentials are only for auth_mode \"server_token\""));
    }
    let templates = vault::open_templates(platform, &integration.id, integration.content.headers.as_deref())
        .ok_or_else(|| Error::internal("the header templates do not open"))?;
    let wanted: Vec<String> = wanted_keys(&templates).into_iter().map(ToOwned::to_owned).collect();
    let given = check_keys(given, &wanted)?;
    let stored = credentials::of_organization(platform, &integration.id).await?;
    // One that does not open any more is replaced.
    let values = match stored.and_then(|stored| vault::open(platform, &stored)) {
        Some(stored) => stored.merged(given),
        None => given,
    };
    let credential = vault::seal(platform, ORGANIZATION, &values)?;
    if credentials::put(platform, &integration.id, integration.revision, &credential).await? {
        Ok(())
    } else {
        Err(Error::conflict("the integration was changed meanwhile: try again"))
    }
}

async fn probe(platform: &Platform, caller: &Caller, integration: &Integration) -> Result<()> {
    match validate(platform, integration, &caller.subject).await? {
        Verdict::Usable => Ok(()),
        Verdict::Unusable(reason) => Err(Error::new(Code::Upstream, reason)),
        Verdict::CredentialsMissing(keys) => {
            let message = format!("credentials are missing: {}", keys.join(", "));
            Err(Error::conflict(message).with_detail("missing", keys))
        }
    }
}

fn running(integration: &Integration) -> Result<Response> {
    let (id, pid) = (integration.slug.clone(), Some(integration.generation));
    json(StatusCode::OK, &Lifecycle { id, status: Status::Running, pid })
}
