//! The one router: `matchit` over `http::Request`, the same on every runtime.
//!
//! A function hands in its [`Routes`]: one table, one dialect. A request walks these steps:
//! (1) it gets an id; (2) its path is matched (404), (3) its method (405 with `Allow`; HEAD is GET without the body,
//! OPTIONS lists the methods); (4) without usable settings everything answers 503; (5) its origin is checked;
//! (6) its caller is authenticated, unless the route is public; (7) its body is read within the route's limit;
//! (8) the handler runs; (9) an error is logged and rendered in the table's dialect, and what it left unread of the body
//! is read; (10) common headers are set.

use std::collections::BTreeMap;

use async_trait::async_trait;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderValue, Method, StatusCode};

use super::body::Body;
use super::dialect::{self, Dialect};
use super::origin;
use super::request::{Request, RequestId, Response, empty};
use crate::auth::{Caller, authenticate};
use crate::{Code, Error, Platform, Result};

/// Largest body of a route that does not say otherwise: 1 MiB.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// What a route runs.
#[async_trait(?Send)]
pub trait Handler {
    /// Answers the request. `caller` is `None` on public routes only.
    async fn call(&self, platform: &Platform, caller: Option<Caller>, request: Request) -> Result<Response>;
}

/// Wraps an `async fn(&Platform, Caller, Request)`.
struct Authenticated<F>(F);
/// Wraps an `async fn(&Platform, Request)`.
struct Public<F>(F);

#[async_trait(?Send)]
impl<F: AsyncFn(&Platform, Caller, Request) -> Result<Response>> Handler for Authenticated<F> {
    async fn call(&self, platform: &Platform, caller: Option<Caller>, request: Request) -> Result<Response> {
        let caller = caller.ok_or_else(|| Error::internal("a protected route ran without a caller"))?;
        (self.0)(platform, caller, request).await
    }
}

#[async_trait(?Send)]
impl<F: AsyncFn(&Platform, Request) -> Result<Response>> Handler for Public<F> {
    async fn call(&self, platform: &Platform, _: Option<Caller>, request: Request) -> Result<Response> {
        (self.0)(platform, request).await
    }
}

pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) public: bool,
    body_limit: usize,
    handler: Box<dyn Handler>,
}

/// One function's routes, all of one dialect.
pub struct Routes {
    pub(super) dialect: Dialect,
    prefix: &'static str,
    pub(super) table: Vec<Route>,
}

impl Routes {
    /// An empty table. `prefix` decides which dialect an unknown path is answered in.
    pub fn new(dialect: Dialect, prefix: &'static str) -> Self {
        Self { dialect, prefix, table: Vec::new() }
    }

    /// A route that needs a caller. Paths use `{name}` for parameters.
    #[must_use]
    pub fn at<F>(self, method: Method, path: &'static str, handler: F) -> Self
    where
        F: AsyncFn(&Platform, Caller, Request) -> Result<Response> + 'static,
    {
        self.push(method, path, false, Box::new(Authenticated(handler)))
    }

    /// A route that anybody may call.
    #[must_use]
    pub fn public<F>(self, method: Method, path: &'static str, handler: F) -> Self
    where
        F: AsyncFn(&Platform, Request) -> Result<Response> + 'static,
    {
        self.push(method, path, true, Box::new(Public(handler)))
    }

    /// Sets the body limit of the route added last, in bytes.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        if let Some(route) = self.table.last_mut() {
            route.body_limit = bytes;
        }
        self
    }

    /// Method and path of every route, for tests that hold manifests and documents against the table.
    pub fn listing(&self) -> Vec<(Method, &'static str)> {
        self.table.iter().map(|route| (route.method.clone(), route.path)).collect()
    }

    fn push(mut self, method: Method, path: &'static str, public: bool, handler: Box<dyn Handler>) -> Self {
        self.table.push(Route { method, path, public, body_limit: BODY_LIMIT, handler });
        self
    }
}

struct Endpoint {
    public: bool,
    body_limit: usize,
    handler: Box<dyn Handler>,
}

struct PathEntry {
    dialect: Dialect,
    methods: BTreeMap<String, Endpoint>,
}

impl PathEntry {
    fn endpoint(&self, method: &Method) -> Option<&Endpoint> {
        let wanted = if *method == Method::HEAD { "GET" } else { method.as_str() };
        self.methods.get(wanted)
    }

    fn allow(&self) -> String {
        let mut methods: Vec<&str> = self.methods.keys().map(String::as_str).collect();
        if self.methods.contains_key("GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }
}

/// What a runtime answers when it has no router: the routes clash, a defect that tests find first.
pub fn defect(error: &Error) -> Response {
    let id = RequestId(UNKNOWN_ID.to_owned());
    log_error(error, &id);
    dialect::render(Dialect::Problem, error, &id)
}

/// Stands for an id while there is no randomness to make one of.
const UNKNOWN_ID: &str = "req_unavailable";

/// All functions' routes in one tree. Build it once per instance.
pub struct Router {
    entries: Vec<PathEntry>,
    tree: matchit::Router<usize>,
    prefixes: Vec<(&'static str, Dialect)>,
}

impl Router {
    /// Joins the tables. Two tables that claim the same path, or a malformed path, are an error: a defect that a
    /// test finds.
    pub fn new(tables: Vec<Routes>) -> Result<Self> {
        let mut router = Self { entries: Vec::new(), tree: matchit::Router::new(), prefixes: Vec::new() };
        for table in tables {
            router.prefixes.push((table.prefix, table.dialect));
            let mut paths: BTreeMap<&'static str, PathEntry> = BTreeMap::new();
            for route in table.table {
                let entry = paths
                    .entry(route.path)
                    .or_insert_with(|| PathEntry { dialect: table.dialect, methods: BTreeMap::new() });
                let Route { method, public, body_limit, handler, .. } = route;
                entry.methods.insert(method.to_string(), Endpoint { public, body_limit, handler });
            }
            for (path, entry) in paths {
                router
                    .tree
                    .insert(path, router.entries.len())
                    .map_err(|error| Error::internal(format!("route {path}: {error}")))?;
                router.entries.push(entry);
            }
        }
        // The longest prefix decides.
        router.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(router)
    }

    /// Answers a request. Infallible: whatever goes wrong becomes a response in the right dialect.
    ///
    /// `platform` is an error when the settings are unusable; then every route answers that error.
    pub async fn handle(
        &self,
        platform: Result<&Platform, &Error>,
        request: http::Request<Body>,
    ) -> Response {
        let (parts, mut body) = request.into_parts();
        let method = parts.method.clone();
        // (1) Without settings there is no platform to ask for randomness, and nothing to correlate either.
        let id = match platform.ok().map(Platform::random) {
            Some(Ok(bytes)) => RequestId::from_bytes(bytes),
            _ => RequestId(UNKNOWN_ID.to_owned()),
        };
        // (2)
        let path = parts.uri.path().to_owned();
        let matched = self.tree.at(&path).ok();
        let entry = matched.as_ref().and_then(|found| self.entries.get(*found.value));
        let dialect = entry.map_or_else(|| self.dialect_of(&path), |entry| entry.dialect);
        let params = matched.map(|found| decode_params(&found.params)).unwrap_or_default();
        // (3) to (8)
        let mut response = match answer(platform, entry, parts, &mut body, id.clone(), params).await {
            Ok(response) => response,
            Err(error) => {
                // (9)
                log_error(&error, &id);
                body.drain().await;
                dialect::render(dialect, &error, &id)
            }
        };
        // (10)
        let headers = response.headers_mut();
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(&id.0) {
            headers.insert("x-request-id", id);
        }
        if method == Method::HEAD {
            if let Body::Whole(body) = response.body() {
                let length = HeaderValue::from(body.len());
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            *response.body_mut() = Body::Empty;
        }
        response
    }

    fn dialect_of(&self, path: &str) -> Dialect {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.prefixes
            .iter()
            .find(|(prefix, _)| below(prefix))
            .map_or(Dialect::Problem, |(_, dialect)| *dialect)
    }
}

async fn answer(
    platform: Result<&Platform, &Error>,
    entry: Option<&PathEntry>,
    parts: http::request::Parts,
    body: &mut Body,
    id: RequestId,
    params: Vec<(String, String)>,
) -> Result<Response> {
    let entry = entry.ok_or_else(|| Error::not_found("no such route"))?;
    let Some(endpoint) = entry.endpoint(&parts.method) else {
        return other_method(entry, &parts.method);
    };
    // (4)
    let platform = platform.map_err(|error| Error::new(error.code, error.message.clone()))?;
    // (5)
    origin::check(&platform.settings, &parts.headers)?;
    // (6)
    let caller = if endpoint.public { None } else { Some(authenticate(platform, &parts.headers).await?) };
    // (7)
    let body = body.collect(endpoint.body_limit).await?;
    // (8)
    let request = Request { method: parts.method, uri: parts.uri, headers: parts.headers, body, id, params };
    endpoint.handler.call(platform, caller, request).await
}

fn other_method(entry: &PathEntry, method: &Method) -> Result<Response> {
    let allow = entry.allow();
    if *method == Method::OPTIONS {
        let mut response = empty(StatusCode::NO_CONTENT);
        if let Ok(allow) = HeaderValue::from_str(&allow) {
            response.headers_mut().insert(ALLOW, allow);
        }
        return Ok(response);
    }
    let mut error = Error::new(Code::MethodNotAllowed, "this path does not have that method");
    error.allow = Some(allow);
    Err(error)
}

fn decode_params(params: &matchit::Params<'_, '_>) -> Vec<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    params.iter().map(|(key, value)| (key.to_owned(), decode(value))).collect()
}

fn log_error(error: &Error, id: &RequestId) {
    if let Some(internal) = &error.internal {
        log::error!("{} {error} ({internal})", id.0);
    } else if matches!(error.code, Code::Internal | Code::NotConfigured | Code::Unavailable) {
        log::error!("{} {error}", id.0);
    }
}
