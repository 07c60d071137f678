//! The product: what Postern knows (`model`), where that is kept (`store`, `vault`), who may do what (`auth`, `policy`),
//! and what is done with upstream MCP servers (`client`, `oauth`, `upstream`, `catalogue`, `registry`).
//!
//! Architecture invariant: it names no type of a runtime; `platform` is what a runtime hands in.

pub mod auth;
pub mod catalogue;
pub mod client;
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
/// A family as the router takes it.
pub type Routes = web::Routes<Platform>;
/// The router over the product's routes.
pub type Router = web::Router<Platform>;
