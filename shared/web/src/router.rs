//! The router, the same on every runtime: `matchit` over `http::Request`.
//!
//! A request passes these steps: (1) the request gets an id; (2) the path is matched (404), (3) then the method (405
//! with `Allow`; HEAD is GET without the body, OPTIONS lists the methods); (4) if the settings are unusable, every
//! route answers 503; (5) the request's origin is checked; (6) the route's endpoint authenticates the caller, counts
//! the request against the rate limits, reads the body within the limit and calls the handler; (7) a failure is logged,
//! the unread rest of the body is read, and the failure is rendered in the family's dialect; (8) common headers are
//! set.

use std::collections::BTreeMap;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH};
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use kernel::{Code, Error, Result};

use crate::answer::empty;
use crate::body::Body;
use crate::context::Context;
use crate::dialect::{self, Dialect, Problem};
use crate::failure::Failure;
use crate::family::{Endpoint, Routes};
use crate::origin;
use crate::request::{ClientAddress, Head, RequestId, Response};

struct PathEntry<C> {
    dialect: &'static dyn Dialect,
    methods: BTreeMap<String, Box<dyn Endpoint<C>>>,
}

impl<C> PathEntry<C> {
    fn endpoint(&self, method: &Method) -> Option<&dyn Endpoint<C>> {
        let wanted = if *method == Method::HEAD { "GET" } else { method.as_str() };
        self.methods.get(wanted).map(AsRef::as_ref)
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

/// Returns the answer of a runtime that could not build the router because two routes clash: a defect that tests find
/// before a deployment.
pub fn defect(error: &Error) -> Response {
    let id = RequestId(UNKNOWN_ID.to_owned());
    let failure = Failure::from(error.clone());
    log_failure(&failure, &id);
    dialect::render(&Problem, &failure, &id)
}

/// The request id if there is no randomness to make one from.
const UNKNOWN_ID: &str = "req_unavailable";

/// The routes of all families in one tree. A runtime builds one router per instance.
pub struct Router<C> {
    entries: Vec<PathEntry<C>>,
    tree: matchit::Router<usize>,
    prefixes: Vec<(&'static str, &'static dyn Dialect)>,
}

impl<C: Context> Router<C> {
    /// Builds the router. Fails if two families claim the same path or a path is malformed: a defect that a test
    /// finds.
    pub fn new(families: Vec<Routes<C>>) -> Result<Self> {
        let mut router = Self { entries: Vec::new(), tree: matchit::Router::new(), prefixes: Vec::new() };
        for family in families {
            if !family.prefix.is_empty() {
                router.prefixes.push((family.prefix, family.dialect));
            }
            let mut paths: BTreeMap<String, PathEntry<C>> = BTreeMap::new();
            for route in family.table {
                let entry = paths
                    .entry(route.path)
                    .or_insert_with(|| PathEntry { dialect: family.dialect, methods: BTreeMap::new() });
                entry.methods.insert(route.method.to_string(), route.endpoint);
            }
            for (path, entry) in paths {
                router
                    .tree
                    .insert(path.as_str(), router.entries.len())
                    .map_err(|error| Error::internal(format!("route {path}: {error}")))?;
                router.entries.push(entry);
            }
        }
        // The longest prefix of an unknown path decides its dialect, so longer prefixes come first.
        router.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(router)
    }

    /// Answers a request. Every failure becomes a response in the dialect of the path's family.
    ///
    /// `context` is an error if the settings are unusable; then every route answers that error.
    pub async fn handle(&self, context: Result<&C, &Error>, request: http::Request<Body>) -> Response {
        let (parts, mut body) = request.into_parts();
        let method = parts.method.clone();
        // (1) Without usable settings there is no context, and so no randomness for an id; nor is there a call to
        // correlate.
        let id = match context.ok().map(|context| context.ports().random()) {
            Some(Ok(bytes)) => RequestId::from_bytes(bytes),
            _ => RequestId(UNKNOWN_ID.to_owned()),
        };
        // (2)
        let path = parts.uri.path().to_owned();
        let matched = self.tree.at(&path).ok();
        let entry = matched.as_ref().and_then(|found| self.entries.get(*found.value));
        let dialect = entry.map_or_else(|| self.dialect_of(&path), |entry| entry.dialect);
        let params = matched.map(|found| decode_params(&found.params)).unwrap_or_default();
        let http::request::Parts { method: _, uri, headers, extensions, .. } = parts;
        let client = client(context.ok().and_then(Context::address_header), &headers, &extensions);
        let head = Head { method: method.clone(), uri, headers, id: id.clone(), params, client };
        // (3) to (6)
        let mut response = match answer(context, entry, head, &mut body).await {
            Ok(response) => response,
            Err(failure) => {
                // (7)
                log_failure(&failure, &id);
                body.drain().await;
                dialect::render(dialect, &failure, &id)
            }
        };
        // (8)
        let headers = response.headers_mut();
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(&id.0) {
            headers.insert("x-request-id", id);
        }
        if method == Method::HEAD { without_body(response) } else { response }
    }

    fn dialect_of(&self, path: &str) -> &'static dyn Dialect {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.prefixes.iter().find(|(prefix, _)| below(prefix)).map_or(&Problem, |(_, dialect)| *dialect)
    }
}

async fn answer<C: Context>(
    context: Result<&C, &Error>,
    entry: Option<&PathEntry<C>>,
    head: Head,
    body: &mut Body,
) -> Result<Response, Failure> {
    let entry = entry.ok_or_else(|| Error::not_found("no such route"))?;
    // (3)
    let Some(endpoint) = entry.endpoint(&head.method) else {
        return other_method(entry.allow(), &head.method);
    };
    // (4)
    let context = context.map_err(Error::clone)?;
    // (5)
    origin::check(context.origins(), &head.headers)?;
    // (6)
    endpoint.answer(context, head, body).await
}

fn other_method(allow: String, method: &Method) -> Result<Response, Failure> {
    if *method != Method::OPTIONS {
        return Err(Failure::MethodNotAllowed { allow });
    }
    let mut response = empty(StatusCode::NO_CONTENT);
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    Ok(response)
}

/// Turns the answer to GET into the answer to HEAD: without the body, whose length stays in `Content-Length`.
fn without_body(mut response: Response) -> Response {
    if let Body::Whole(body) = response.body() {
        let length = HeaderValue::from(body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    *response.body_mut() = Body::Empty;
    response
}

/// Returns the client's address: from the header of the trusted proxy, if there is one, else from the runtime.
fn client(header: Option<&str>, headers: &HeaderMap, extensions: &Extensions) -> Option<ClientAddress> {
    let Some(header) = header else { return extensions.get().copied() };
    // A proxy may add a header of its own after the client's.
    headers.get_all(header).iter().next_back()?.to_str().ok().and_then(ClientAddress::parse)
}

fn decode_params(params: &matchit::Params<'_, '_>) -> Vec<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    params.iter().map(|(key, value)| (key.to_owned(), decode(value))).collect()
}

fn log_failure(failure: &Failure, id: &RequestId) {
    let Failure::Error(error) = failure else { return };
    if error.internal.is_some()
        || matches!(error.code, Code::Internal | Code::NotConfigured | Code::Unavailable)
    {
        log::error!("{} {}", id.0, error.report());
    }
}
