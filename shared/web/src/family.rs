//! Families of routes: prefix, dialect, authentication and limits stand once, and below them each route, once.

use std::rc::Rc;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use http::Method;

use crate::authenticate::Authenticate;
use crate::body::Body;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::handler::Handler;
#[cfg(not(target_family = "wasm"))]
use crate::openapi::{Described, Documented, FamilyDocument};
use crate::request::{Head, Request, Response};

/// Largest body of a family that does not say otherwise: 1 MiB.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// A family of routes under construction.
///
/// `get`, `post`, … add a route; the methods after them ([`summary`](Self::summary), [`error`](Self::error), …) say
/// what the OpenAPI document tells of the route that was added last. In WASM those compile to nothing.
pub struct Family<C, A> {
    authenticate: Rc<A>,
    routes: Routes<C>,
}

/// A family as the router takes it.
pub struct Routes<C> {
    pub(crate) prefix: &'static str,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) table: Vec<Route<C>>,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) document: FamilyDocument,
    limit: usize,
}

/// One route.
pub(crate) struct Route<C> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) endpoint: Box<dyn Endpoint<C>>,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) documented: Documented,
}

/// What a matched request leads to.
#[async_trait(?Send)]
pub(crate) trait Endpoint<C> {
    /// Authenticates, reads the body within the limit, and calls the handler.
    async fn answer(&self, context: &C, head: Head, body: &mut Body) -> Result<Response, Failure>;
}

struct Mounted<A, H> {
    authenticate: Rc<A>,
    handler: H,
    limit: usize,
}

/// Ties a handler to the types of its arguments, which its own type does not name.
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
impl<C, A: Authenticate<C>, H: Bound<C, A::Caller>> Endpoint<C> for Mounted<A, H> {
    async fn answer(&self, context: &C, head: Head, body: &mut Body) -> Result<Response, Failure> {
        let caller = self.authenticate.authenticate(context, &head).await?;
        let body = body.collect(self.limit).await?;
        self.handler.call(context, caller, &mut Request { head, body }).await
    }
}

impl<C: 'static, A: Authenticate<C>> Family<C, A> {
    /// An empty family. Its routes' paths begin with `prefix`, and paths below `prefix` that no route has are answered
    /// in `dialect`. With an empty prefix it claims no unknown path.
    pub fn new(prefix: &'static str, dialect: &'static dyn Dialect, authenticate: A) -> Self {
        #[cfg(not(target_family = "wasm"))]
        let document = FamilyDocument { schemes: authenticate.schemes(), ..FamilyDocument::default() };
        let routes = Routes {
            prefix,
            dialect,
            table: Vec::new(),
            limit: BODY_LIMIT,
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

    /// A route for GET (and HEAD). `path` follows the prefix and has `{name}` for parameters.
    #[must_use]
    pub fn get<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::GET, path, handler)
    }

    /// A route for POST.
    #[must_use]
    pub fn post<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::POST, path, handler)
    }

    /// A route for PUT.
    #[must_use]
    pub fn put<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::PUT, path, handler)
    }

    /// A route for PATCH.
    #[must_use]
    pub fn patch<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::PATCH, path, handler)
    }

    /// A route for DELETE.
    #[must_use]
    pub fn delete<X: 'static>(self, path: &str, handler: impl Handler<C, A::Caller, X>) -> Self {
        self.route(Method::DELETE, path, handler)
    }

    fn route<X: 'static, H: Handler<C, A::Caller, X>>(
        mut self,
        method: Method,
        path: &str,
        handler: H,
    ) -> Self {
        let path = format!("{}{path}", self.routes.prefix);
        #[cfg(not(target_family = "wasm"))]
        let documented = {
            let mut documented = Documented::default();
            H::describe(&mut Described::new(&mut documented));
            documented
        };
        let handler = Arguments(handler, std::marker::PhantomData);
        let mounted =
            Mounted { authenticate: Rc::clone(&self.authenticate), handler, limit: self.routes.limit };
        self.routes.table.push(Route {
            method,
            path,
            endpoint: Box::new(mounted),
            #[cfg(not(target_family = "wasm"))]
            documented,
        });
        self
    }

    /// The family as the router takes it.
    pub fn routes(self) -> Routes<C> {
        self.routes
    }
}

/// Methods that hand what they are told to the route that was added last, where there is an OpenAPI document.
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
    /// The route's operation id, and what it does in a few words.
    summary(operation_id: &'static str, summary: &'static str);
    /// More about what the route does.
    description(text: &'static str);
    /// What the answer is that the handler's type stands for.
    returns(text: &'static str);
    /// A header of that answer.
    header(name: &'static str, text: &'static str);
    /// An error in the family's dialect, and when it is given.
    error(status: u16, text: &'static str);
    /// A page for people with another status than 200, and when it is given.
    page(status: u16, text: &'static str);
    /// An answer that the handler makes by itself, in one of these media types; none for an empty answer.
    answer(status: u16, text: &'static str, media_types: &'static [&'static str]);
    /// An answer that the handler makes by itself: a JSON object of which the document says no more.
    object(status: u16, text: &'static str);
    /// A body that the handler reads by itself.
    body(media_type: &'static str, text: &'static str);
}

impl<C, A> Family<C, A> {
    /// The family's tag in the OpenAPI document, and what its operations have in common.
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
    /// Method and path of every route, for tests that hold manifests against the table.
    pub fn listing(&self) -> Vec<(Method, &str)> {
        self.table.iter().map(|route| (route.method.clone(), route.path.as_str())).collect()
    }
}
