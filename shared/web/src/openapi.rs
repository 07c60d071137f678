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

/// A security scheme with its name in the document.
#[derive(Clone)]
pub struct Scheme {
    /// The name among the document's security schemes.
    pub name: &'static str,
    /// The scheme.
    pub scheme: SecurityScheme,
}

/// A schema with all schemas that it refers to.
pub struct NamedSchema {
    /// The schema's name in the document.
    pub name: String,
    /// The schema and those that it refers to, by name.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// Returns the schema of `T` and those that it refers to.
pub fn named_schema<T: ToSchema>() -> NamedSchema {
    let name = T::name().into_owned();
    let mut schemas = vec![(name.clone(), T::schema())];
    T::schemas(&mut schemas);
    NamedSchema { name, schemas }
}

/// The part of the document that a family's routes have in common.
#[derive(Default)]
pub(crate) struct FamilyDocument {
    pub(crate) tag: Option<(&'static str, &'static str)>,
    pub(crate) schemes: Vec<Scheme>,
}
