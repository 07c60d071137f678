//! Families of routes: each declares its prefix, dialect, authentication and limits once, and then the table of its
//! routes.

use std::rc::Rc;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use http::{Method, StatusCode};
use kernel::{Code, Error};

use crate::authenticate::Authenticate;
use crate::body::Body;
use crate::context::{Context, Record, Write};
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::handler::Handler;
#[cfg(not(target_family = "wasm"))]
use crate::openapi::{Described, Documented, FamilyDocument};
use crate::rate;
use crate::request::{Head, Request, Response};

/// The largest request body, in bytes, of a family that sets no other limit: 1 MiB.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// A family of routes under construction.
///
/// `get`, `post`, … add a route. The methods after them ([`summary`](Self::summary), [`error`](Self::error), …)
/// describe the route that was added last, for the OpenAPI document; in WASM they do nothing.
pub struct Family<C, A> {
    authenticate: Rc<A>,
    routes: Routes<C>,
}

/// A complete family, as the router takes it.
pub struct Routes<C> {
    pub(crate) prefix: &'static str,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) table: Vec<Route<C>>,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) document: FamilyDocument,
    limit: usize,
    records_writes: bool,
}

/// One route.
pub(crate) struct Route<C> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) endpoint: Box<dyn Endpoint<C>>,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) documented: Documented,
}

/// The code that answers a matched request.
#[async_trait(?Send)]
pub(crate) trait Endpoint<C> {
    /// Authenticates the caller, reads the body within the limit, and calls the handler.
    async fn answer(&self, context: &C, head: Head, body: &mut Body) -> Result<Response, Failure>;
}

/// A handler behind its family's authentication. The handler is boxed, so that this code is compiled once per way to
/// authenticate and not once per route.
struct Mounted<C: Context, A: Authenticate<C>> {
    authenticate: Rc<A>,
    handler: Box<dyn Bound<C, A::Caller>>,
    limit: usize,
    /// The route's path, if its requests are recorded as writes.
    recorded: Option<String>,
    dialect: &'static dyn Dialect,
}

/// A handler together with the types of its arguments, which the handler's own type does not name.
trait Bound<C, Caller> {
    fn call<'a>(
        &'a self,
        context: &'a C,
        caller: Caller,
        request: &'a mut Request,
    ) -> LocalBoxFuture<'a, Result<Response, Failure>>;
}

struct Arguments<H, X>(H, std::marker::PhantomData<fn(X)>);

impl<C, Caller, X, H: Handler<C, Caller, X>> Bound<C, Caller> for Arguments<H, X> {
    fn call<'a>(
        &'a self,
        context: &'a C,
        caller: Caller,
        request: &'a mut Request,
    ) -> LocalBoxFuture<'a, Result<Response, Failure>> {
        self.0.call(context, caller, request)
    }
}

#[async_trait(?Send)]
impl<C: Context, A: Authenticate<C>> Endpoint<C> for Mounted<C, A> {
    async fn answer(&self, context: &C, head: Head, body: &mut Body) -> Result<Response, Failure> {
        let caller = self.authenticate.authenticate(context, &head).await;
        count(context, &head, caller.as_ref().map(|caller| self.authenticate.source(caller)))?;
        let caller = caller?;
        let record = match &self.recorded {
            Some(route) => self.begin(context, &caller, route, &head)?,
            None => None,
        };
        let answered = self.handle(context, caller, head, body).await;
        if let Some(record) = record {
            match &answered {
                Ok(response) => record.end(response.status(), created_id(response)),
                Err(failure) => record.end(self.dialect.status(failure), None),
            }
        }
        answered
    }
}

impl<C: Context, A: Authenticate<C>> Mounted<C, A> {
    fn begin(
        &self,
        context: &C,
        caller: &A::Caller,
        route: &str,
        head: &Head,
    ) -> Result<Option<Box<dyn Record>>, Failure> {
        let Some(actor) = self.authenticate.writer(caller) else { return Ok(None) };
        let write = Write { method: &head.method, route, target: target(head), id: &head.id };
        Ok(Some(context.begin_write(actor, write)?))
    }

    async fn handle(
        &self,
        context: &C,
        caller: A::Caller,
        head: Head,
        body: &mut Body,
    ) -> Result<Response, Failure> {
        let body = body.collect(self.limit).await?;
        self.handler.call(context, caller, &mut Request { head, body }).await
    }
}

/// Returns the values of the path's parameters.
fn target(head: &Head) -> Option<String> {
    let values: Vec<&str> = head.params.iter().map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join("/"))
}

/// Returns the id of the object that a response with the status 201 shows: its member `id`, or that of its first member
/// which has one.
fn created_id(response: &Response) -> Option<String> {
    let Body::Whole(body) = response.body() else { return None };
    if response.status() != StatusCode::CREATED {
        return None;
    }
    let shown: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let id = |value: &serde_json::Value| value.as_str().map(ToOwned::to_owned);
    shown.get("id").and_then(id).or_else(|| shown.values().find_map(|inner| inner.get("id").and_then(id)))
}

/// Counts a request against the limit of its caller or, if nobody was authenticated, of its client's address.
fn count<C: Context>(context: &C, head: &Head, source: Result<Option<&str>, &Error>) -> Result<(), Failure> {
    let (ports, limits) = (context.ports(), context.rate_limits());
    match source {
        Ok(Some(caller)) => rate::admit_caller(ports, limits, caller),
        Err(error) if error.code != Code::Unauthenticated => Ok(()),
        Ok(None) | Err(_) => rate::admit_address(ports, limits, head.client.map(|client| client.0)),
    }
}

impl<C: Context, A: Authenticate<C>> Family<C, A> {
    /// Creates a family without routes. The paths of its routes begin with `prefix`; unknown paths below `prefix` are
    /// answered in `dialect`. With an empty prefix, the family answers no unknown path.
    pub fn new(prefix: &'static str, dialect: &'static dyn Dialect, authenticate: A) -> Self {
        #[cfg(not(target_family = "wasm"))]
        let document = FamilyDocument { schemes: authenticate.schemes(), ..FamilyDocument::default() };
        let routes = Routes {
            prefix,
            dialect,
            table: Vec::new(),
            limit: BODY_LIMIT,
            records_writes: true,
            #[cfg(not(target_family = "wasm"))]
            document,
        };
        Self { authenticate: Rc::new(authenticate), routes }
    }

    /// Sets the largest body, in bytes, of the routes that are added from now on.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.routes.limit = bytes;
        self
    }

    /// Leaves the requests to the routes that are added from now on out of the record of writes. For a family whose
    /// requests have a record of their own.
    #[must_use]
    pub fn without_write_audit(mut self) -> Self {
        self.routes.records_writes = false;
        self
    }

    /// Adds a route for GET (and HEAD). `path` follows the prefix; `{name}` in it stands for a parameter.
    #[must_use]
    pub fn get<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::GET, path, handler)
    }

    /// Adds a route for POST.
    #[must_use]
    pub fn post<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::POST, path, handler)
    }

    /// Adds a route for PUT.
    #[must_use]
    pub fn put<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::PUT, path, handler)
    }

    /// Adds a route for PATCH.
    #[must_use]
    pub fn patch<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::PATCH, path, handler)
    }

    /// Adds a route for DELETE.
    #[must_use]
    pub fn delete<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::DELETE, path, handler)
    }

    fn route<X: 'static, H: Handler<C, A::Caller, X>>(self, method: Method, path: &str, handler: H) -> Self {
        #[cfg_attr(target_family = "wasm", allow(unused_mut))]
        let mut family = self.mount(method, path, Box::new(Arguments(handler, std::marker::PhantomData)));
        #[cfg(not(target_family = "wasm"))]
        if let Some(route) = family.routes.table.last_mut() {
            H::describe(&mut Described::new(&mut route.documented));
        }
        family
    }

    fn mount(mut self, method: Method, path: &str, handler: Box<dyn Bound<C, A::Caller>>) -> Self {
        let (authenticate, limit) = (Rc::clone(&self.authenticate), self.routes.limit);
        let path = format!("{}{path}", self.routes.prefix);
        let recorded = (self.routes.records_writes && method != Method::GET).then(|| path.clone());
        let dialect = self.routes.dialect;
        self.routes.table.push(Route {
            method,
            path,
            endpoint: Box::new(Mounted { authenticate, handler, limit, recorded, dialect }),
            #[cfg(not(target_family = "wasm"))]
            documented: Documented::default(),
        });
        self
    }

    /// Returns the complete family, as the router takes it.
    pub fn routes(self) -> Routes<C> {
        self.routes
    }
}

/// Defines methods that pass their arguments to the description of the route that was added last; in WASM, where
/// there is no OpenAPI document, the methods do nothing.
macro_rules! documented {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)+) => {
        impl<C, A> Family<C, A> {
            $($(#[$doc])*
            #[must_use]
            #[cfg_attr(target_family = "wasm", allow(unused_mut, unused_variables))]
            pub fn $name(mut self, $($argument: $type),*) -> Self {
                #[cfg(not(target_family = "wasm"))]
                if let Some(route) = self.routes.table.last_mut() {
                    route.documented.$name($($argument),*);
                }
                self
            })+
        }
    };
}

documented! {
    /// Sets the route's operation id, and what the route does in a few words.
    summary(operation_id: &'static str, summary: &'static str);
    /// Sets a longer text about what the route does.
    description(text: &'static str);
    /// Describes the answer that the handler returns.
    returns(text: &'static str);
    /// Describes a header of that answer.
    header(name: &'static str, text: &'static str);
    /// Describes an error in the family's dialect, and when it is returned.
    error(status: u16, text: &'static str);
    /// Describes a page for people with another status than 200, and when it is returned.
    page(status: u16, text: &'static str);
    /// Describes a response that the handler builds itself, in one of these media types; without any, its body is
    /// empty.
    answer(status: u16, text: &'static str, media_types: &'static [&'static str]);
    /// Describes a response that the handler builds itself: a JSON object without a further schema.
    object(status: u16, text: &'static str);
}

impl<C, A> Family<C, A> {
    /// Sets the family's tag in the OpenAPI document, and a text on what its operations have in common.
    #[must_use]
    #[cfg_attr(target_family = "wasm", allow(unused_mut, unused_variables))]
    pub fn tag(mut self, name: &'static str, description: &'static str) -> Self {
        #[cfg(not(target_family = "wasm"))]
        {
            self.routes.document.tag = Some((name, description));
        }
        self
    }
}

impl<C> Routes<C> {
    /// Returns method and path of every route, for tests that compare manifests with the table.
    pub fn listing(&self) -> Vec<(Method, &str)> {
        self.table.iter().map(|route| (route.method.clone(), route.path.as_str())).collect()
    }
}
