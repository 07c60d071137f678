//! `GET /integrations`, `GET …/{id}/status`, `GET …/{id}/tools` and `GET /integrations/catalog`.

use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use postern_core::auth::Caller;
use web::cursor;
use web::cursor::Keyset;
use web::dialect::HozironError;
use web::request::json;
use web::{Request, Response};
use postern_core::model::integration::{Integration, State};
use postern_core::store::{integrations, tools};
use kernel::{Error, Result};
use postern_core::Platform;

use super::load;
use crate::catalog;

const CURSOR: &str = "installed integrations";
/// Most integrations of one answer.
const PAGE: u32 = 1000;

/// What an operator sees first.
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
pub(crate) struct Installed {
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
pub(crate) struct List {
    /// In the order of installation.
    integrations: Vec<Installed>,
    /// The `cursor` of the next page; absent where there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// 200 `{integrations: [{id, status, tools_count}]}`, in the order of installation. Query: `limit` (1–1000, 1000),
/// `cursor`, which the answer's `next_cursor` gives where there is more.
#[utoipa::path(
    get,
    path = "/integrations",
    operation_id = "listInstalled",
    tag = "Hoziron",
    summary = "List installed integrations, in the order of installation",
    params(
        ("limit" = Option<u32>, Query, nullable = false, minimum = 1, maximum = 1000,  description = "Most items; 1000."),
        ("cursor" = Option<String>, Query, nullable = false, description = "The former page's `next_cursor`.")
    ),
    responses(
        (status = 200, description = "All of them, or a page.", body = List),
        (status = 400, description = "`limit` or `cursor` is not usable.", body = HozironError)
    )
)]
pub(crate) async fn list(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let limit = match request.query("limit").map(|text| text.parse::<u32>()) {
        None => PAGE,
        Some(Ok(limit @ 1..=PAGE)) => limit,
        Some(_) => return Err(Error::invalid("limit must be a whole number from 1 to 1000")),
    };
    let keys = &platform.settings.keys;
    let after: Option<Keyset> =
        request.query("cursor").map(|text| cursor::decode(keys, CURSOR, &text)).transpose()?;
    let mut found = integrations::overview(platform, after.as_ref(), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = match found.last().filter(|_| more) {
        Some(last) => {
            let last = &last.integration;
            let place = Keyset { created_at: last.created_at.millis(), id: last.id.clone() };
            Some(cursor::encode(keys, CURSOR, &place)?)
        }
        None => None,
    };
    let line = |found: integrations::Summary| Installed {
        status: Status::of(&found.integration),
        tools_count: found.tools,
        id: found.integration.slug,
    };
    json(StatusCode::OK, &List { integrations: found.into_iter().map(line).collect(), next_cursor })
}

/// What is known about one.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InstalledStatus, description = "What is known about an installed integration.")]
pub(crate) struct StatusView {
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

/// 200 `{id, status, pid?, uptime_secs, tools_count, last_error?}`; 404.
#[utoipa::path(
    get,
    path = "/integrations/{id}/status",
    operation_id = "getStatus",
    tag = "Hoziron",
    summary = "Look at an installed integration",
    params(("id" = String, Path, description = "The integration's slug.")),
    responses(
        (status = 200, description = "What is known about it.", body = StatusView),
        (status = 400, description = "`id` cannot be a slug.", body = HozironError),
        (status = 404, description = "No such integration is installed.", body = HozironError)
    )
)]
pub(crate) async fn status(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &request).await?;
    let tools_count = tools::count(platform, &integration.id).await?;
    let view = StatusView {
        status: Status::of(&integration),
        pid: (integration.state == State::Running).then_some(integration.generation),
        uptime_secs: integration
            .started_at
            .map_or(0, |started_at| platform.now().since(started_at).as_secs()),
        tools_count,
        last_error: if integration.consecutive_failures > 0 { integration.validation_message } else { None },
        id: integration.slug,
    };
    json(StatusCode::OK, &view)
}

/// One tool.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InstalledTool, description = "A tool as agents see it.")]
pub(crate) struct ToolLine {
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
pub(crate) struct ToolList {
    /// By name.
    tools: Vec<ToolLine>,
}

/// 200 `{tools: [{name, description}]}` by name, also while stopped; 404; 409 before the upstream was ever reached.
#[utoipa::path(
    get,
    path = "/integrations/{id}/tools",
    operation_id = "listInstalledTools",
    tag = "Hoziron",
    summary = "List an installed integration's tools",
    description = "Those that are approved, also while it is stopped.",
    params(("id" = String, Path, description = "The integration's slug.")),
    responses(
        (status = 200, description = "All of them.", body = ToolList),
        (status = 400, description = "`id` cannot be a slug.", body = HozironError),
        (status = 404, description = "No such integration is installed.", body = HozironError),
        (status = 409, description = "The upstream was never reached: start it first.", body = HozironError)
    )
)]
pub(crate) async fn tools(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let integration = load(platform, &request).await?;
    let found = tools::approved(platform, &integration.id).await?;
    if found.is_empty() && integration.era.is_none() {
        return Err(Error::conflict("its tools are not known yet: start it first"));
    }
    let line = |tool: tools::Listed| ToolLine { description: description(&tool.definition), name: tool.name };
    json(StatusCode::OK, &ToolList { tools: found.into_iter().map(line).collect() })
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
pub(crate) struct CatalogEntry {
    #[serde(flatten)]
    entry: catalog::Entry,
    /// Whether some integration was installed from it.
    installed: bool,
}

/// `{entries, total}`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(description = "Catalogue entries.")]
pub(crate) struct Catalog {
    /// By id.
    entries: Vec<CatalogEntry>,
    /// How many there are.
    total: usize,
}

/// 200 `{entries, total}`. Query: `q` (substring of id, name, description or tag), `category`.
#[utoipa::path(
    get,
    path = "/integrations/catalog",
    operation_id = "browseCatalog",
    tag = "Hoziron",
    summary = "Browse the catalogue of hosted MCP servers",
    params(
        ("q" = Option<String>, Query, nullable = false, description = "Only those with this in id, name, description or a tag."),
        ("category" = Option<String>, Query, nullable = false, description = "Only those of this category.")
    ),
    responses(
        (status = 200, description = "All that match.", body = Catalog),
        (status = 400, description = "There is no such category.", body = HozironError)
    )
)]
pub(crate) async fn catalog(platform: &Platform, caller: Caller, request: Request) -> Result<Response> {
    caller.require_admin()?;
    let found = catalog::search(request.query("q").as_deref(), request.query("category").as_deref())?;
    let sources = integrations::sources(platform).await?;
    let entries: Vec<CatalogEntry> = found
        .into_iter()
        .map(|entry| CatalogEntry { installed: sources.contains(&entry.id), entry })
        .collect();
    json(StatusCode::OK, &Catalog { total: entries.len(), entries })
}
