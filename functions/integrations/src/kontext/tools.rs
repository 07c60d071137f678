//! `GET /api/v1/integrations/:id/tools`, and `POST …/tools/:toolId/approve` and `/reject`: what the upstream offers,
//! beside what was approved.

use http::StatusCode;
use serde_json::Value;
use postern_core::auth::Caller;
use web::cursor;
use web::cursor::Keyset;
use web::dialect::KontextError;
use web::request::json;
use web::{Request, Response};
use postern_core::model::tool::ToolStatus;
use postern_core::store::tools;
use postern_core::store::tools::Reviewed;
use kernel::{Error, Result};
use postern_core::Platform;

use super::load;
use super::read::limit;
use super::view::{OneTool, ToolPage, ToolView};

/// Bytes of definitions on one page, more or less.
const PAGE_BYTES: usize = 1024 * 1024;

/// 200 `{items, nextCursor?}`, in order of discovery. Query: `limit` (1–200, 50), `cursor`, `status`.
#[utoipa::path(
    get,
    path = "/api/v1/integrations/{id}/tools",
    operation_id = "listTools",
    tag = "Kontext",
    summary = "List an integration's tools for review",
    description = "In order of discovery, each with its approved definition and with what the upstream changed since. \
                   A page may have fewer tools than `limit`, as large definitions fill it.",
    params(
        ("id" = String, Path, format = "uuid", description = "The integration's id."),
        ("limit" = Option<u32>, Query, nullable = false, minimum = 1, maximum = 200,  description = "Most items of a page; 50."),
        ("cursor" = Option<String>, Query, nullable = false, description = "The former page's `nextCursor`."),
        ("status" = Option<ToolStatus>, Query, nullable = false, description = "Only those that stand there.")
    ),
    responses(
        (status = 200, description = "A page of them.", body = ToolPage),
        (status = 400, description = "`limit`, `cursor` or `status` is not usable.", body = KontextError),
        (status = 404, description = "No such integration.", body = KontextError)
    )
)]
pub(crate) async fn list(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let limit = limit(&request)?;
    let status = request.query("status").map(|text| {
        serde_json::from_value::<ToolStatus>(Value::String(text)).map_err(|_| {
            Error::invalid(
                "status must be one of \"approved\", \"new\", \"changed\", \"removed\", \"rejected\"",
            )
        })
    });
    let status = status.transpose()?;
    let keys = &platform.settings.keys;
    let integration = load(platform, &caller, &request).await?;
    let purpose = format!("tools {}", integration.id);
    let after: Option<Keyset> =
        request.query("cursor").map(|text| cursor::decode(keys, &purpose, &text)).transpose()?;
    let found = tools::review(platform, &integration.id, status, after.as_ref(), limit + 1).await?;
    let fitting = fitting(&found, limit as usize);
    let more = found.len() > fitting;
    let shown = found.get(..fitting).unwrap_or_default();
    let next_cursor = match shown.last().filter(|_| more) {
        Some(last) => {
            let place = Keyset { created_at: last.first_seen_at.millis(), id: last.id.clone() };
            Some(cursor::encode(keys, &purpose, &place)?)
        }
        None => None,
    };
    let items = shown.iter().map(ToolView::of).collect::<Result<Vec<_>>>()?;
    json(StatusCode::OK, &ToolPage { items, next_cursor })
}

/// How many tools go on a page: at least one.
fn fitting(found: &[Reviewed], limit: usize) -> usize {
    let mut bytes = 0;
    let fits = |tool: &&Reviewed| {
        let is_first = bytes == 0;
        bytes += tool.definition.len() + tool.found.as_ref().map_or(0, String::len);
        is_first || bytes <= PAGE_BYTES
    };
    found.iter().take(limit).take_while(fits).count()
}

/// 200 `{tool}`: what the last probe found is offered from now on; a tool that is gone is forgotten. 404, 409.
#[utoipa::path(
    post,
    path = "/api/v1/integrations/{id}/tools/{tool}/approve",
    operation_id = "approveTool",
    tag = "Kontext",
    summary = "Approve a tool as it is now",
    description = "What the last probe found is offered from now on. A tool that is gone is forgotten.",
    params(
        ("id" = String, Path, format = "uuid", description = "The integration's id."),
        ("tool" = String, Path, description = "The tool's id.")
    ),
    responses(
        (status = 200, description = "The tool as it stands now.", body = OneTool),
        (status = 404, description = "No such integration, or no such tool.", body = KontextError),
        (status = 409, description = "The tool was changed meanwhile: look at it again.", body = KontextError)
    )
)]
pub(crate) async fn approve(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let (integration, tool) = find(platform, &caller, &request).await?;
    let is_settled = tool.status == ToolStatus::Approved;
    if !is_settled && !tools::approve(platform, &integration, &tool).await? {
        return Err(Error::conflict("the tool was changed meanwhile: look at it again"));
    }
    let approved = tools::find(platform, &integration, &tool.id).await?;
    json(StatusCode::OK, &OneTool { tool: ToolView::of(&approved.unwrap_or(tool))? })
}

/// 200 `{tool}`: it stays out of lists and calls until its upstream changes it again. 404, 409.
#[utoipa::path(
    post,
    path = "/api/v1/integrations/{id}/tools/{tool}/reject",
    operation_id = "rejectTool",
    tag = "Kontext",
    summary = "Reject a tool as it is now",
    description = "It stays out of lists and calls until its upstream changes it again.",
    params(
        ("id" = String, Path, format = "uuid", description = "The integration's id."),
        ("tool" = String, Path, description = "The tool's id.")
    ),
    responses(
        (status = 200, description = "The tool as it stands now.", body = OneTool),
        (status = 404, description = "No such integration, or no such tool.", body = KontextError),
        (status = 409, description = "The tool is gone, or was changed meanwhile: look at it again.", body = KontextError)
    )
)]
pub(crate) async fn reject(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let (integration, tool) = find(platform, &caller, &request).await?;
    if tool.status == ToolStatus::Removed {
        return Err(Error::conflict(
            "the upstream no longer has this tool: only its removal can be approved",
        ));
    }
    let is_settled = tool.status == ToolStatus::Rejected;
    if !is_settled && !tools::reject(platform, &integration, &tool).await? {
        return Err(Error::conflict("the tool was changed meanwhile: look at it again"));
    }
    let rejected = tools::find(platform, &integration, &tool.id).await?;
    json(StatusCode::OK, &OneTool { tool: ToolView::of(&rejected.unwrap_or(tool))? })
}

async fn find(platform: &Platform, caller: &Caller, request: &Request) -> Result<(String, Reviewed)> {
    let integration = load(platform, caller, request).await?;
    let tool = tools::find(platform, &integration.id, request.text_param("tool")).await?;
    Ok((integration.id, tool.ok_or_else(|| Error::not_found("Tool not found"))?))
}
