//! What routes and the types of their handlers say for the OpenAPI 3.1 document; `document` puts it together.
//!
//! Not compiled into WASM: `cargo xtask openapi` writes the document, and deployments serve that file.

mod operation;
mod param;

use utoipa::ToSchema;
use utoipa::openapi::security::SecurityScheme;
use utoipa::openapi::{RefOr, Schema};

pub(crate) use self::operation::ErrorForm;
pub use self::operation::{Described, Documented};
pub use self::param::{Param, integer, text, uuid, words};

/// A security scheme by its name in the document.
#[derive(Clone)]
pub struct Scheme {
    /// Name among the document's security schemes.
    pub name: &'static str,
    /// The scheme.
    pub scheme: SecurityScheme,
}

/// A schema with all that it refers to.
pub struct NamedSchema {
    /// Name among the document's schemas.
    pub name: String,
    /// It and the others, by name.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// The schema of `T`, and those that it refers to.
pub fn named_schema<T: ToSchema>() -> NamedSchema {
    let name = T::name().into_owned();
    let mut schemas = vec![(name.clone(), T::schema())];
    T::schemas(&mut schemas);
    NamedSchema { name, schemas }
}

/// What a family says of all its routes.
#[derive(Default)]
pub(crate) struct FamilyDocument {
    pub(crate) tag: Option<(&'static str, &'static str)>,
    pub(crate) schemes: Vec<Scheme>,
}
