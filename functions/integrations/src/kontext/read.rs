//! `/api/v1/integrations` and `…/{id}`: reads and archives integrations, and probes their upstreams on demand.

use kernel::Result;
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::integration::{Integration, IntegrationId};
use postern_core::store::integrations;
use postern_core::{Family, Platform, upstream};
use web::paging::{Camel, Keyset, Page, PageQuery};
use web::{Head, Json, NoContent, Path, Query, QueryParams};

use super::load;
use super::view::{IntegrationPage, One};

/// Name of the list, to which its cursors are bound: a cursor of another list is refused.
const LIST: &str = "integrations";

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .get("", list)
        .summary("listIntegrations", "List integrations, in order of creation")
        .returns("A page of them.")
        .error(400, "`limit` or `cursor` is not usable.")
        .get("/{id}", get)
        .summary("getIntegration", "Read an integration")
        .returns("As it is now.")
        .error(404, "No such integration.")
        .delete("/{id}", archive)
        .summary("archiveIntegration", "Archive an integration")
        .description("Its credentials and its catalogue are deleted. Its name stays taken until it is revived.")
        .returns("Archived.")
        .error(404, "No such integration.")
        .post("/{id}/validate", validate)
        .summary("validateIntegration", "Probe the upstream now")
        .description(
            "Stores the tools that it offers. An upstream that turns out unusable is an answer like any other.",
        )
        .returns("With fresh validation fields.")
        .error(404, "No such integration.")
}

/// The query parameter `name`.
struct NameFilter(Option<String>);

impl QueryParams for NameFilter {
    fn from_query(head: &Head) -> Result<Self> {
        Ok(Self(head.query("name")))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, web::openapi::Param)> {
        let description = "Only integrations whose name contains this text.";
        vec![("name", web::openapi::Param::optional(description, web::openapi::text()))]
    }
}

async fn list(
    platform: &Platform,
    admin: Admin,
    Query(page): Query<PageQuery<Camel, 50, 200>>,
    Query(NameFilter(name)): Query<NameFilter>,
) -> Result<Json<IntegrationPage>> {
    let keys = &platform.settings.keys;
    let after: Option<Keyset> = page.cursor().place(keys, LIST)?;
    let found =
        integrations::list(platform, &admin.subject, after.as_ref(), name.as_deref(), page.limit + 1).await?;
    let place = |last: &Integration| Keyset { created_at: last.created_at.millis(), id: last.id.clone() };
    let Page { rows, next } = Page::cut(keys, LIST, found, page.limit as usize, place)?;
    Ok(Json(IntegrationPage { items: rows.into_iter().map(Into::into).collect(), next_cursor: next }))
}

async fn get(platform: &Platform, admin: Admin, Path(id): Path<IntegrationId>) -> Result<Json<One>> {
    Ok(Json(load(platform, &admin, id).await?.into()))
}

/// An archived integration keeps its id and its name; its secrets and its catalogue are deleted.
async fn archive(platform: &Platform, _: Admin, Path(id): Path<IntegrationId>) -> Result<NoContent> {
    if integrations::archive(platform, &id.to_string(), true).await? {
        Ok(NoContent)
    } else {
        Err(IntegrationId::not_found())
    }
}

/// Answers 200 also if the upstream turns out to be unusable: the validation fields say so.
async fn validate(platform: &Platform, admin: Admin, Path(id): Path<IntegrationId>) -> Result<Json<One>> {
    let integration = load(platform, &admin, id).await?;
    upstream::validation::validate(platform, &integration, &admin.subject).await?;
    Ok(Json(load(platform, &admin, id).await?.into()))
}
