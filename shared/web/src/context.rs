//! The trait by which the product gives the router what the router needs.

use kernel::ports::Ports;

/// The browser origins that may send requests.
#[derive(Clone, Copy)]
pub struct Origins<'a> {
    /// The deployment's own origin, if it is configured.
    pub own: Option<&'a str>,
    /// Further origins.
    pub allowed: &'a [String],
}

/// The first argument of every handler: the product's view of its runtime.
pub trait Context: 'static {
    /// Returns the runtime's ports.
    fn ports(&self) -> &Ports;
    /// Returns the browser origins that may send requests.
    fn origins(&self) -> Origins<'_>;
}
