//! Reads of the Hoziron dialect: the list of installed integrations, the status and the tools of one, and the
//! catalogue.

use kernel::{Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::entry::Kind;
use postern_core::model::integration::{Integration, Slug, State};
use postern_core::store::entries::{self, Listed};
use postern_core::store::integrations::{self, Summary};
use postern_core::{Family, Platform};
use serde::Serialize;
use serde_json::value::RawValue;
use web::paging::{Keyset, Page, PageQuery, Snake};
use web::{Head, Json, Path, Query, QueryParams};

use super::load;
use crate::directory;

/// Name of the list, to which its cursors are bound: a cursor of another list is refused.
const LIST: &str = "installed integrations";

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .get("", list)
        .summary("listInstalled", "List installed integrations, in the order of installation")
        .returns("All of them, or a page.")
        .error(400, "`limit` or `cursor` is not usable.")
        .get("/catalog", catalog)
        .summary("browseCatalog", "Browse the catalogue of hosted MCP servers")
        .returns("All that match.")
        .error(400, "There is no such category.")
        .get("/{id}/status", status)
        .summary("getStatus", "Look at an installed integration")
        .returns("What is known about it.")
        .error(400, "`id` cannot be a slug.")
        .error(404, "No such integration is installed.")
        .get("/{id}/tools", tools)
        .summary("listInstalledTools", "List an installed integration's tools")
        .description("Those that are approved, in the upstream's own order, also while it is stopped.")
        .returns("All of them.")
        .error(400, "`id` cannot be a slug.")
        .error(404, "No such integration is installed.")
        .error(409, "The upstream was never reached: start it first.")
}

/// Whether an integration is in use, and whether it works.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LifecycleStatus, description = "Whether an installed integration is in use, and whether it works.")]
pub(crate) enum Status {
    /// In use.
    Running,
    /// Not in use.
    Stopped,
    /// In use, and its last probes failed.
    Error,
}

impl Status {
    fn of(integration: &Integration) -> Self {
        match integration.state {
            State::Stopped => Self::Stopped,
            State::Running if integration.is_broken() => Self::Error,
            State::Running => Self::Running,
        }
    }
}

/// One line of the list.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InstalledIntegration, description = "One installed integration.")]
struct Installed {
    /// Its slug.
    id: String,
    status: Status,
    /// How many tools it offers.
    #[schema(minimum = 0)]
    tools_count: i64,
}

/// `{integrations, next_cursor?}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InstalledList, description = "Installed integrations.")]
struct List {
    /// In the order of installation.
    integrations: Vec<Installed>,
    /// The `cursor` of the next page; absent where there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

async fn list(
    platform: &Platform,
    _: Admin,
    Query(page): Query<PageQuery<Snake, 1000, 1000>>,
) -> Result<Json<List>> {
    let keys = &platform.settings.keys;
    let after: Option<Keyset> = page.cursor().place(keys, LIST)?;
    let found = integrations::overview(platform, after.as_ref(), page.limit + 1).await?;
    let place =
        |last: &Summary| Keyset { created_at: last.installed_at.millis(), id: last.integration.id.clone() };
    let Page { rows, next } = Page::cut(keys, LIST, found, page.limit as usize, place)?;
    let line = |found: Summary| Installed {
        status: Status::of(&found.integration),
        tools_count: found.tools,
        id: found.integration.slug,
    };
    Ok(Json(List { integrations: rows.into_iter().map(line).collect(), next_cursor: next }))
}

/// What is known about one integration.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InstalledStatus, description = "What is known about an installed integration.")]
struct StatusView {
    /// Its slug.
    id: String,
    status: Status,
    /// How often it was started; only while it is running. Not a process id: there is no process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pid: Option<i64>,
    /// Seconds since it was last started; 0 while it is stopped.
    uptime_secs: u64,
    /// How many tools it offers.
    #[schema(minimum = 0)]
    tools_count: i64,
    /// Why the last probe failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_error: Option<String>,
}

async fn status(platform: &Platform, _: Admin, Path(slug): Path<Slug>) -> Result<Json<StatusView>> {
    let integration = load(platform, &slug).await?;
    let tools_count = entries::count(platform, Kind::Tool, &integration.id).await?;
    Ok(Json(StatusView {
        status: Status::of(&integration),
        pid: (integration.state == State::Running).then_some(integration.generation),
        uptime_secs: integration
            .started_at
            .map_or(0, |started_at| platform.now().since(started_at).as_secs()),
        tools_count,
        last_error: if integration.consecutive_failures > 0 { integration.validation_message } else { None },
        id: integration.slug,
    }))
}

/// One tool.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InstalledTool, description = "A tool as agents see it.")]
struct ToolLine {
    /// The upstream's own name for it.
    name: String,
    /// What it does, in the upstream's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
}

/// `{tools}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InstalledTools, description = "The tools of an installed integration.")]
struct ToolList {
    /// In the upstream's own order.
    tools: Vec<ToolLine>,
}

async fn tools(platform: &Platform, _: Admin, Path(slug): Path<Slug>) -> Result<Json<ToolList>> {
    let integration = load(platform, &slug).await?;
    let found = entries::approved(platform, Kind::Tool, &integration.id).await?;
    if found.is_empty() && integration.era.is_none() {
        return Err(Error::conflict("its tools are not known yet: start it first"));
    }
    let line = |tool: Listed| ToolLine { description: description(&tool.definition), name: tool.name };
    Ok(Json(ToolList { tools: found.into_iter().map(line).collect() }))
}

fn description(definition: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Definition<'a> {
        #[serde(borrow)]
        description: Option<&'a RawValue>,
    }
    let definition: Definition<'_> = serde_json::from_str(definition).ok()?;
    serde_json::from_str(definition.description?.get()).ok()
}

/// A catalogue entry.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CatalogEntry, description = "A catalogue entry, and whether it is installed.")]
struct CatalogEntry {
    #[serde(flatten)]
    entry: directory::Entry,
    /// Whether some integration was installed from it.
    installed: bool,
}

/// `{entries, total}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "Catalogue entries.")]
struct Catalog {
    /// By id.
    entries: Vec<CatalogEntry>,
    /// How many there are.
    total: usize,
}

/// The query parameters `q` and `category`.
struct Search {
    q: Option<String>,
    category: Option<String>,
}

impl QueryParams for Search {
    fn from_query(head: &Head) -> Result<Self> {
        Ok(Self { q: head.query("q"), category: head.query("category") })
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, web::openapi::Param)> {
        use web::openapi::{Param, text, words};

        let q = Param::optional("Only those with this in id, name, description or a tag.", text());
        let category = Param::optional("Only those of this category.", words(directory::CATEGORIES));
        vec![("q", q), ("category", category)]
    }
}

async fn catalog(platform: &Platform, _: Admin, Query(search): Query<Search>) -> Result<Json<Catalog>> {
    let found = directory::search(search.q.as_deref(), search.category.as_deref())?;
    let sources = integrations::sources(platform).await?;
    let entries: Vec<CatalogEntry> = found
        .into_iter()
        .map(|entry| CatalogEntry { installed: sources.contains(&entry.id), entry })
        .collect();
    Ok(Json(Catalog { total: entries.len(), entries }))
}
