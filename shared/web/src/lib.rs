//! How requests are answered. A function declares a [`Family`] of routes: one prefix, one error form (a [`Dialect`]),
//! one way to [`Authenticate`], one limit for bodies; below it stands each route, once, with its handler and what the
//! OpenAPI document says of it. A handler takes extractors and returns a typed answer, or fails with an error that the
//! family's dialect renders.
//!
//! Architecture invariant: nothing here knows the product. What the router needs of it is [`Context`].

pub mod answer;
pub mod authenticate;
pub mod body;
pub mod context;
pub mod dialect;
#[cfg(not(target_family = "wasm"))]
pub mod document;
pub mod extract;
pub mod failure;
pub mod family;
pub mod handler;
pub mod html;
pub mod json;
#[cfg(not(target_family = "wasm"))]
pub mod openapi;
mod origin;
pub mod paging;
pub mod request;
pub mod router;

pub use answer::{Answer, Created, Html, NoContent, Redirect};
pub use authenticate::{Anyone, Authenticate, Identity, Public};
pub use body::Body;
pub use context::Context;
pub use dialect::Dialect;
pub use extract::{FromRequest, Json, OptionalJson, Path, PathParam, Query, QueryParams};
pub use failure::Failure;
pub use family::{Family, Routes};
pub use request::{Head, Request, RequestId, Response};
pub use router::Router;
