//! The trait by which the product gives the router what the router needs.

use http::{Method, StatusCode};
use kernel::ports::Ports;

use crate::rate::RateLimits;
use crate::request::RequestId;

/// The browser origins that may send requests.
#[derive(Clone, Copy)]
pub struct Origins<'a> {
    /// The deployment's own origin, if it is configured.
    pub own: Option<&'a str>,
    /// Further origins.
    pub allowed: &'a [String],
}

/// A request that writes, by a caller that is known.
pub struct Write<'a> {
    /// The method.
    pub method: &'a Method,
    /// The route's path, with the names of its parameters in place of their values.
    pub route: &'a str,
    /// The values of the route's parameters; `None` if it has none.
    pub target: Option<String>,
    /// The request's id.
    pub id: &'a RequestId,
}

/// The record of a write that has begun. If it is dropped before its end, the write was cut off.
pub trait Record {
    /// Records how the write was answered; `created` is the id of what it created.
    fn end(self: Box<Self>, status: StatusCode, created: Option<String>);
}

/// The first argument of every handler: the product's view of its runtime.
pub trait Context: 'static {
    /// How the product names the caller of a write.
    type Actor;

    /// Returns the runtime's ports.
    fn ports(&self) -> &Ports;
    /// Returns the browser origins that may send requests.
    fn origins(&self) -> Origins<'_>;
    /// Returns the limits of requests.
    fn rate_limits(&self) -> RateLimits;
    /// Returns the name of the header in which a trusted proxy in front of Postern gives the client's address; `None`
    /// if there is no such proxy.
    fn address_header(&self) -> Option<&str>;
    /// Begins the record of a write.
    fn begin_write(&self, actor: Self::Actor, write: Write<'_>) -> kernel::Result<Box<dyn Record>>;
}
