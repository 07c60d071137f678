//! `GET /api/v1/integrations`, and `GET`, `DELETE`, `POST …/validate` of one.

use http::StatusCode;
use postern_core::auth::Caller;
use web::cursor;
use web::cursor::Keyset;
use web::dialect::KontextError;
use web::request::{empty, json};
use web::{Request, Response};
use postern_core::model::integration::IntegrationId;
use postern_core::store::integrations;
use kernel::{Error, Result};
use postern_core::Platform;

use super::load;
use super::view::{One, Page};

const CURSOR: &str = "integrations";

/// 200 `{items, nextCursor?}`, in order of creation. Query: `limit` (1–200, 50), `cursor`, `name` (substring).
#[utoipa::path(
    get,
    path = "/api/v1/integrations",
    operation_id = "listIntegrations",
    tag = "Kontext",
    summary = "List integrations, in order of creation",
    params(
        ("limit" = Option<u32>, Query, nullable = false, minimum = 1, maximum = 200,  description = "Most items of a page; 50."),
        ("cursor" = Option<String>, Query, nullable = false, description = "The former page's `nextCursor`."),
        ("name" = Option<String>, Query, nullable = false, description = "Only those whose name has this in it.")
    ),
    responses(
        (status = 200, description = "A page of them.", body = Page),
        (status = 400, description = "`limit` or `cursor` is not usable.", body = KontextError)
    )
)]
pub(crate) async fn list(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let limit = limit(&request)?;
    let keys = &platform.settings.keys;
    let after: Option<Keyset> =
        request.query("cursor").map(|text| cursor::decode(keys, CURSOR, &text)).transpose()?;
    let name = request.query("name");
    // One more than asked for tells whether there is a next page.
    let mut found =
        integrations::list(platform, &caller.subject, after.as_ref(), name.as_deref(), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = match found.last().filter(|_| more) {
        Some(last) => {
            let place = Keyset { created_at: last.created_at.millis(), id: last.id.clone() };
            Some(cursor::encode(keys, CURSOR, &place)?)
        }
        None => None,
    };
    json(StatusCode::OK, &Page { items: found.iter().map(Into::into).collect(), next_cursor })
}

/// The query parameter `limit`: 1 to 200, 50 when absent.
pub(super) fn limit(request: &Request) -> Result<u32> {
    match request.query("limit").map(|text| text.parse::<u32>()) {
        None => Ok(50),
        Some(Ok(limit @ 1..=200)) => Ok(limit),
        Some(_) => Err(Error::invalid("limit must be a whole number from 1 to 200")),
    }
}

/// 200 `{integration}`; 404.
#[utoipa::path(
    get,
    path = "/api/v1/integrations/{id}",
    operation_id = "getIntegration",
    tag = "Kontext",
    summary = "Read an integration",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 200, description = "As it is now.", body = One),
        (status = 404, description = "No such integration.", body = KontextError)
    )
)]
pub(crate) async fn get(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &caller, &request).await?;
    json(StatusCode::OK, &One { integration: (&integration).into() })
}

/// 204; 404. Archives: its secrets and catalogue are deleted, its name stays taken until it is revived.
#[utoipa::path(
    delete,
    path = "/api/v1/integrations/{id}",
    operation_id = "archiveIntegration",
    tag = "Kontext",
    summary = "Archive an integration",
    description = "Its credentials and its catalogue are deleted. Its name stays taken until it is revived.",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 204, description = "Archived."),
        (status = 404, description = "No such integration.", body = KontextError)
    )
)]
pub(crate) async fn archive(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let id: IntegrationId = request.param("id")?;
    if integrations::archive(platform, &id.to_string(), true).await? {
        Ok(empty(StatusCode::NO_CONTENT))
    } else {
        Err(IntegrationId::not_found())
    }
}

/// 200 `{integration}` with fresh validation fields, also when the upstream turns out unusable; 404.
#[utoipa::path(
    post,
    path = "/api/v1/integrations/{id}/validate",
    operation_id = "validateIntegration",
    tag = "Kontext",
    summary = "Probe the upstream now",
    description = "Stores the tools that it offers. An upstream that turns out unusable is an answer like any other.",
    params(("id" = String, Path, format = "uuid", description = "The integration's id.")),
    responses(
        (status = 200, description = "With fresh validation fields.", body = One),
        (status = 404, description = "No such integration.", body = KontextError)
    )
)]
pub(crate) async fn validate(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &caller, &request).await?;
    postern_core::upstream::validation::validate(platform, &integration, &caller.subject).await?;
    let integration = load(platform, &caller, &request).await?;
    json(StatusCode::OK, &One { integration: (&integration).into() })
}
