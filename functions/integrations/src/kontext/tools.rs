//! `/api/v1/integrations/{id}/tools…`: the review of an integration's tools, which shows what the upstream offers
//! beside what was approved.

use kernel::{Error, Result};
use postern_core::auth::{Admin, ApiKeys, Caller};
use postern_core::model::entry::{Kind, Status};
use postern_core::model::integration::IntegrationId;
use postern_core::store::entries::{self, Reviewed};
use postern_core::{Family, Platform};
use web::paging::{Camel, Keyset, Page, PageQuery};
use web::{Head, Json, Path, PathParam, Query, QueryParams};

use super::load;
use super::view::{OneTool, ToolPage, ToolView};

/// Most bytes of definitions on one page, except that the page's first tool may be larger.
const PAGE_BYTES: usize = 1024 * 1024;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .get("/{id}/tools", list)
        .summary("listTools", "List an integration's tools for review")
        .description(
            "In the upstream's own order, each with its approved definition and with what the upstream changed since. \
             `status=changed` also lists approved tools of which a user's account was shown another definition. \
             A page may have fewer tools than `limit`, as large definitions fill it.",
        )
        .returns("A page of them.")
        .error(400, "`limit`, `cursor` or `status` is not usable.")
        .error(404, "No such integration.")
        .post("/{id}/tools/{tool}/approve", approve)
        .summary("approveTool", "Approve a tool as it is now")
        .description("What the last probe found is offered from now on. For an approved tool that is `found`, if it has one. A tool that is gone is forgotten.")
        .returns("The tool as it stands now.")
        .error(404, "No such integration, or no such tool.")
        .error(409, "The tool was changed meanwhile: look at it again.")
        .post("/{id}/tools/{tool}/reject", reject)
        .summary("rejectTool", "Reject a tool as it is now")
        .description("It stays out of lists and calls until its upstream changes it again. For an approved tool with a `found` \
             definition only that definition is rejected, and the tool stays approved.")
        .returns("The tool as it stands now.")
        .error(404, "No such integration, or no such tool.")
        .error(409, "The tool is gone, or was changed meanwhile: look at it again.")
}

/// A tool's id. Any text is accepted here; an unknown id is answered with 404.
struct ToolId(String);

impl PathParam for ToolId {
    const NAME: &'static str = "tool";

    fn from_param(text: &str) -> Result<Self> {
        Ok(Self(text.to_owned()))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required("The tool's id.", web::openapi::text().pattern(Some("^[0-9a-f]{24}$")))
    }
}

/// The query parameter `status`.
struct StatusFilter(Option<Status>);

impl QueryParams for StatusFilter {
    fn from_query(head: &Head) -> Result<Self> {
        let status = head.query("status").map(|text| text.parse()).transpose();
        status.map(Self).map_err(|_| {
            let rule = "must be one of \"approved\", \"new\", \"changed\", \"removed\", \"rejected\"";
            Error::invalid_field("status", rule)
        })
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, web::openapi::Param)> {
        vec![("status", web::openapi::Param::optional_of::<Status>("Only those that stand there."))]
    }
}

async fn list(
    platform: &Platform,
    admin: Admin,
    Query(page): Query<PageQuery<Camel, 50, 200>>,
    Query(StatusFilter(status)): Query<StatusFilter>,
    Path(id): Path<IntegrationId>,
) -> Result<Json<ToolPage>> {
    let keys = &platform.settings.keys;
    let integration = load(platform, &admin, id).await?;
    let list = format!("tools {}", integration.id);
    let after: Option<Keyset> = page.cursor().place(keys, &list)?;
    let found =
        entries::review(platform, Kind::Tool, &integration.id, status, after.as_ref(), page.limit + 1)
            .await?;
    let limit = fitting(&found, page.limit as usize);
    let place = |last: &Reviewed| Keyset { created_at: last.position, id: last.id.clone() };
    let Page { rows, next } = Page::cut(keys, &list, found, limit, place)?;
    let items = rows.into_iter().map(ToolView::of).collect::<Result<_>>()?;
    Ok(Json(ToolPage { items, next_cursor: next }))
}

/// Returns how many of the tools `found` go on a page of at most `limit` tools and [`PAGE_BYTES`]; the first tool
/// always does.
fn fitting(found: &[Reviewed], limit: usize) -> usize {
    let mut bytes = 0;
    let fits = |tool: &&Reviewed| {
        let is_first = bytes == 0;
        bytes += tool.definition.len() + tool.found.as_ref().map_or(0, String::len);
        is_first || bytes <= PAGE_BYTES
    };
    found.iter().take(limit).take_while(fits).count()
}

async fn approve(
    platform: &Platform,
    admin: Admin,
    Path(id): Path<IntegrationId>,
    Path(tool): Path<ToolId>,
) -> Result<Json<OneTool>> {
    let (integration, tool) = find(platform, &admin, id, &tool).await?;
    let is_settled = tool.status == Status::Approved && tool.found.is_none();
    if !is_settled && !entries::approve(platform, &integration, &tool).await? {
        return Err(changed());
    }
    answer(platform, &integration, tool).await
}

async fn reject(
    platform: &Platform,
    admin: Admin,
    Path(id): Path<IntegrationId>,
    Path(tool): Path<ToolId>,
) -> Result<Json<OneTool>> {
    let (integration, tool) = find(platform, &admin, id, &tool).await?;
    if tool.status == Status::Removed {
        return Err(Error::conflict(
            "the upstream no longer has this tool: only its removal can be approved",
        ));
    }
    let is_settled = tool.status == Status::Rejected;
    if !is_settled && !entries::reject(platform, &integration, &tool).await? {
        return Err(changed());
    }
    answer(platform, &integration, tool).await
}

/// Returns the integration's id and the tool as it is now. The error is 404 if one of them does not exist.
async fn find(
    platform: &Platform,
    caller: &Caller,
    id: IntegrationId,
    ToolId(tool): &ToolId,
) -> Result<(String, Reviewed)> {
    let integration = load(platform, caller, id).await?;
    let tool = entries::find(platform, &integration.id, tool).await?;
    Ok((integration.id, tool.ok_or_else(|| Error::not_found("Tool not found"))?))
}

fn changed() -> Error {
    Error::conflict("the tool was changed meanwhile: look at it again")
}

/// Answers with the tool as it is after the decision. An approved removal has deleted the tool: then the answer is the
/// tool as it was `before`.
async fn answer(platform: &Platform, integration: &str, before: Reviewed) -> Result<Json<OneTool>> {
    let now = entries::find(platform, integration, &before.id).await?;
    Ok(Json(OneTool { tool: ToolView::of(now.unwrap_or(before))? }))
}
