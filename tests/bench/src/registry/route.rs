//! The routes that are measured: their requests, and what a right answer is.

use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::seed;
use crate::{
    http_client::{Answer, authority},
    load::Subject,
    processes::Process,
};

/// Items of a page, when nothing else is asked for.
pub(super) const PAGE: usize = 50;
/// Path of the list.
pub(super) const LIST: &str = "/api/v1/integrations";
/// Names of created integrations begin so.
pub(super) const FRESH: &str = "Fresh";
/// Which of the rows a connection gets first, and how far apart those are that follow: all over the table.
const STRIDE: u64 = 7_919;

/// A route of the registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// Nothing is dialled afterwards.
    Create,
    /// The upstream is probed after the answer.
    CreateProbed,
    Get,
    ListFirst,
    ListMiddle,
}

impl Route {
    pub(crate) const ALL: [Self; 5] =
        [Self::ListFirst, Self::ListMiddle, Self::Get, Self::Create, Self::CreateProbed];

    /// Short and stable.
    pub(crate) fn name(self) -> &'static str {
        self.key().trim_start_matches("registry_")
    }

    /// The report's key.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Create => "registry_create",
            Self::CreateProbed => "registry_create_probed",
            Self::Get => "registry_get",
            Self::ListFirst => "registry_list_first",
            Self::ListMiddle => "registry_list_middle",
        }
    }

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::CreateProbed => "create, then probe",
            Self::Get => "get",
            Self::ListFirst => "list, first page",
            Self::ListMiddle => "list, page in the middle",
        }
    }

    /// Whether it makes the table grow.
    pub(super) fn creates(self) -> bool {
        matches!(self, Self::Create | Self::CreateProbed)
    }
}

/// What is sent to create an integration.
pub(super) fn body(route: Route, name: &str, upstream: &str) -> Value {
    let category = if route == Route::Create { "internal_mcp_credentials" } else { "gateway_remote_mcp" };
    json!({
        "name": name,
        "url": format!("{upstream}/modern?tools={}", super::TOOLS),
        "category": category,
        "authMode": "none",
    })
}

/// What answers.
pub(super) enum Answering {
    /// The baseline Worker: rows.
    Baseline,
    /// Postern, to the administrator.
    Postern { key: String },
}

/// One route of one deployment.
pub(super) struct Target {
    pub(super) route: Route,
    authority: String,
    pid: Option<u64>,
    headers: HeaderMap,
    baseline: bool,
    /// How many rows there are to get.
    size: usize,
    path: String,
    upstream: String,
    /// Makes names differ between bursts.
    series: Cell<u64>,
}

impl Target {
    /// `path` is a list's path and query, and not needed otherwise.
    pub(super) fn new(
        route: Route,
        at: &Process,
        answering: &Answering,
        size: usize,
        path: String,
        upstream: &str,
    ) -> Result<Self> {
        let authority = authority(at.url()?)?.to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(&authority)?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Answering::Postern { key } = answering {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))?);
        }
        let baseline = matches!(answering, Answering::Baseline);
        let (pid, upstream) = (at.pid(), upstream.to_owned());
        Ok(Self { route, authority, pid, headers, baseline, size, path, upstream, series: Cell::new(0) })
    }

    /// Another series of names begins.
    pub(super) fn next_series(&self) {
        self.series.set(self.series.get() + 1);
    }

    /// The row that a turn asks for.
    fn wanted(&self, connection: usize, turn: u64) -> usize {
        let place = (connection as u64 * 31 + turn) * STRIDE % self.size as u64;
        place as usize + 1
    }

    fn fresh(&self, connection: usize, turn: u64) -> String {
        format!("{FRESH} {} {connection} {turn}", self.series.get())
    }

    fn right(&self, connection: usize, turn: u64, body: &Value) -> bool {
        match self.route {
            Route::Create | Route::CreateProbed => {
                let name = self.fresh(connection, turn);
                let created = body.pointer("/integration/name").and_then(Value::as_str);
                if self.baseline { read(body, 1, |row| holds(row, &name)) } else { created == Some(&name) }
            }
            Route::Get => {
                let number = self.wanted(connection, turn);
                let (id, name) = (seed::id(number), seed::name(number));
                if self.baseline {
                    return read(body, 1, |row| holds(row, &id) && holds(row, &name));
                }
                let member =
                    |name: &str| body.pointer(&format!("/integration/{name}")).and_then(Value::as_str);
                member("id") == Some(&id) && member("name") == Some(&name)
            }
            Route::ListFirst | Route::ListMiddle => self.right_page(body),
        }
    }

    /// A page holds the rows of its place, all of them, in order, and there is more.
    fn right_page(&self, body: &Value) -> bool {
        let first = if self.route == Route::ListFirst { 1 } else { self.size / 2 + 1 };
        let names: Vec<_> = (first..first + PAGE).map(seed::name).collect();
        if self.baseline {
            // Postern reads one row more, to know whether there is another page.
            let names: Vec<_> = names.into_iter().chain([seed::name(first + PAGE)]).collect();
            return read(body, PAGE + 1, |row| names.iter().any(|name| holds(row, name)));
        }
        let items = body.get("items").and_then(Value::as_array);
        let more = body.get("nextCursor").is_some_and(Value::is_string);
        more && items.is_some_and(|items| {
            items.iter().map(|item| item.get("name").and_then(Value::as_str).unwrap_or_default()).eq(&names)
        })
    }
}

/// Whether one of the queries of the baseline read this many rows, each of them so.
fn read(body: &Value, count: usize, wanted: impl Fn(&Value) -> bool) -> bool {
    let answers = body.get("answers").and_then(Value::as_array);
    let mut queries = answers.into_iter().flatten().filter_map(Value::as_array);
    queries.any(|rows| rows.len() == count && rows.iter().all(&wanted))
}

fn holds(row: &Value, text: &str) -> bool {
    row.as_array().is_some_and(|row| row.iter().any(|value| value.as_str() == Some(text)))
}

impl Subject for Target {
    fn authority(&self) -> &str {
        &self.authority
    }

    fn pid(&self) -> Option<u64> {
        self.pid
    }

    fn repeats(&self) -> bool {
        matches!(self.route, Route::ListFirst | Route::ListMiddle)
    }

    fn request(&self, connection: usize, turn: u64) -> Result<Request<Bytes>> {
        let (route, prefix) = (self.route, if self.baseline { self.route.name() } else { "" });
        let (method, path, body) = match (route, self.baseline) {
            (Route::Create | Route::CreateProbed, baseline) => {
                let path = if baseline { format!("/{prefix}") } else { LIST.to_owned() };
                let body = body(route, &self.fresh(connection, turn), &self.upstream);
                (Method::POST, path, body.to_string().into())
            }
            (Route::Get, baseline) => {
                let id = seed::id(self.wanted(connection, turn));
                let path = if baseline { format!("/{prefix}/{id}") } else { format!("{LIST}/{id}") };
                (Method::GET, path, Bytes::new())
            }
            (Route::ListFirst | Route::ListMiddle, _) => (Method::GET, self.path.clone(), Bytes::new()),
        };
        let mut request = Request::builder().method(method).uri(path).body(body)?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    fn check(&self, connection: usize, turn: u64, answer: &Answer) -> Result<()> {
        let wrong = || {
            let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
            format!("{}: {} {body}", self.route.name(), answer.status)
        };
        let wanted = if self.route.creates() { StatusCode::CREATED } else { StatusCode::OK };
        ensure!(answer.status == wanted, wrong());
        let body: Value = serde_json::from_slice(&answer.body).with_context(wrong)?;
        ensure!(self.right(connection, turn, &body), wrong());
        Ok(())
    }
}
