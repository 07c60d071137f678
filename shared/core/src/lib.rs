//! The product: its data (`model`), their storage (`store`, `vault`), authentication and authorization (`auth`,
//! `policy`), and everything that Postern does with upstream MCP servers (`client`, `oauth`, `upstream`, `catalogue`,
//! `registry`).
//!
//! Architecture invariant: this crate names no type of a runtime; a runtime passes in a [`Platform`].

pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod client;
mod context;
pub mod model;
pub mod oauth;
pub mod platform;
pub mod policy;
pub mod registry;
pub mod settings;
pub mod store;
pub mod upstream;
pub mod vault;

pub use platform::Platform;

/// A family of the product's routes.
pub type Family<A> = web::Family<Platform, A>;
/// A complete family, as the router takes it.
pub type Routes = web::Routes<Platform>;
/// The router over the product's routes.
pub type Router = web::Router<Platform>;
