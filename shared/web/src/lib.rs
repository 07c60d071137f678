//! Routing, authentication, typed requests and answers, error forms and the OpenAPI document.
//!
//! Each function of Postern declares [`Family`]s of routes. A family has one prefix, one error form (a [`Dialect`]),
//! one way to [`Authenticate`] and a limit for bodies. A route is declared once, with its handler and its texts for
//! the OpenAPI document. A handler takes extractors and returns a typed answer, or fails with an error that the
//! family's dialect renders.
//!
//! Architecture invariant: this crate knows nothing of the product. What the router needs from the product is the trait
//! [`Context`].

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
pub mod rate;
pub mod request;
pub mod router;
pub mod rules;

pub use answer::{Answer, Created, Html, NoContent, Redirect};
pub use authenticate::{Anyone, Authenticate, Identity, Public};
pub use body::Body;
pub use context::Context;
pub use dialect::Dialect;
pub use extract::{FromRequest, Json, OptionalJson, Path, PathParam, Query, QueryParams};
pub use failure::Failure;
pub use family::{Family, Routes};
pub use rate::RateLimits;
pub use request::{Head, Request, RequestId, Response};
pub use router::Router;
pub use rules::{Ruled, Rules};
