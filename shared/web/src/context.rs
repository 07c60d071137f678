//! What the router needs of the product.

use kernel::ports::Ports;

/// Which browser origins may send requests.
#[derive(Clone, Copy)]
pub struct Origins<'a> {
    /// The origin that this deployment is reached at, when it is configured.
    pub own: Option<&'a str>,
    /// Further origins.
    pub allowed: &'a [String],
}

/// What every handler is given first: the product's view of its runtime.
pub trait Context: 'static {
    /// The runtime's ports.
    fn ports(&self) -> &Ports;
    /// The browser origins that may send requests.
    fn origins(&self) -> Origins<'_>;
}
