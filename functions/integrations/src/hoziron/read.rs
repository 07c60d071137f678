//! `GET /integrations`, `GET …/{id}/status`, `GET …/{id}/tools` and `GET /integrations/catalog`.

use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::auth::Caller;
use shared::http::cursor::{self, Keyset};
use shared::http::request::json;
use shared::http::{Request, Response};
use shared::model::integration::{Integration, State};
use shared::store::{integrations, tools};
use shared::{Error, Platform, Result};

use super::load;
use crate::catalog;

const CURSOR: &str = "installed integrations";
/// Most integrations of one answer.
const PAGE: u32 = 1000;

/// What an operator sees first.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Serialize)]
pub(crate) struct Installed {
    id: String,
    status: Status,
    tools_count: i64,
}

/// `{integrations, next_cursor?}`.
#[derive(Serialize)]
pub(crate) struct List {
    integrations: Vec<Installed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// 200 `{integrations: [{id, status, tools_count}]}`, in the order of installation. Query: `limit` (1–1000, 1000),
/// `cursor`, which the answer's `next_cursor` gives where there is more.
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
#[derive(Serialize)]
pub(crate) struct StatusView {
    id: String,
    status: Status,
    /// How often it was started; only while it is running. Not a process id: there is no process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i64>,
    uptime_secs: u64,
    tools_count: i64,
    /// Why the last probe failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// 200 `{id, status, pid?, uptime_secs, tools_count, last_error?}`; 404.
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
#[derive(Serialize)]
pub(crate) struct ToolLine {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// `{tools}`.
#[derive(Serialize)]
pub(crate) struct ToolList {
    tools: Vec<ToolLine>,
}

/// 200 `{tools: [{name, description}]}` by name, also while stopped; 404; 409 before the upstream was ever reached.
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
#[derive(Serialize)]
pub(crate) struct CatalogEntry {
    #[serde(flatten)]
    entry: catalog::Entry,
    /// Whether some integration was installed from it.
    installed: bool,
}

/// `{entries, total}`.
#[derive(Serialize)]
pub(crate) struct Catalog {
    entries: Vec<CatalogEntry>,
    total: usize,
}

/// 200 `{entries, total}`. Query: `q` (substring of id, name, description or tag), `category`.
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
