//! The OpenAPI 3.1 document, derived from the families: paths, parameters, bodies and answers from the types of the
//! handlers, texts from the route tables, and the answers that the router gives by itself from the router's own rules.
//!
//! Not compiled into WASM: `cargo xtask openapi` writes the document, and deployments serve that file.

mod operation;
mod param;
mod refusals;

use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, PathItem};
use utoipa::openapi::security::SecurityScheme;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, OpenApi, RefOr, Schema};

pub use self::operation::{Described, Documented};
pub use self::param::{Param, integer, text, uuid, words};
use crate::dialect::Dialect;
use crate::family::{Route, Routes};

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

/// Adds what `families` have to `document`.
pub fn describe<C>(document: &mut OpenApi, families: &[Routes<C>]) {
    for family in families {
        let components = document.components.get_or_insert_with(Components::new);
        for Scheme { name, scheme } in &family.document.schemes {
            components.security_schemes.insert((*name).to_owned(), scheme.clone().into());
        }
        for route in &family.table {
            add(document, family, route);
        }
        if let Some((name, description)) = family.document.tag {
            let tags = document.tags.get_or_insert_with(Vec::new);
            if tags.iter().all(|tag| tag.name != name) {
                tags.push(TagBuilder::new().name(name).description(Some(description)).build());
            }
        }
    }
}

fn add<C>(document: &mut OpenApi, family: &Routes<C>, route: &Route<C>) {
    let components = document.components.get_or_insert_with(Components::new);
    let mut operation = route.documented.operation(family.dialect, components);
    operation.tags = family.document.tag.map(|(name, _)| vec![name.to_owned()]);
    refusals::add(&mut operation, family, route, components);
    let item = document.paths.paths.entry(route.path.clone()).or_default();
    item.merge_operations(PathItem::new(method(route), operation));
}

fn method<C>(route: &Route<C>) -> HttpMethod {
    match route.method.as_str() {
        "DELETE" => HttpMethod::Delete,
        "PATCH" => HttpMethod::Patch,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        _ => HttpMethod::Get,
    }
}

/// Adds the schema of the dialect's errors to `components`; its name.
fn error_schema(dialect: &dyn Dialect, components: &mut Components) -> String {
    let NamedSchema { name, schemas } = dialect.schema();
    components.schemas.extend(schemas);
    name
}
