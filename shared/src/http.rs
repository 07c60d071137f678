//! How requests are answered: router, dialects, strict JSON, cursors.

pub mod body;
pub mod cursor;
pub mod dialect;
pub mod html;
pub mod json;
mod openapi;
mod origin;
pub mod request;
pub mod router;

pub use body::Body;
pub use dialect::Dialect;
pub use request::{FromParam, Request, RequestId, Response};
pub use router::{Router, Routes};
