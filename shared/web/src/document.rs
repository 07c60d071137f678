//! The OpenAPI 3.1 document, derived from the families: paths, parameters, bodies and answers from the types of the
//! handlers, texts from the route tables, and the answers that the router gives by itself from the router's own rules.
//!
//! Not compiled into WASM.

mod router_answers;

use utoipa::openapi::path::{HttpMethod, PathItem};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, OpenApi};

use crate::dialect::Dialect;
use crate::family::{Route, Routes};
use crate::openapi::{ErrorForm, NamedSchema, Scheme};

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
    let errors = error_form(family.dialect, components);
    let mut operation = route.documented.operation(&errors, components);
    operation.tags = family.document.tag.map(|(name, _)| vec![name.to_owned()]);
    router_answers::add(&mut operation, family, route, &errors, components);
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

/// Adds the schema of the dialect's errors to `components`; what operations need to know of it.
fn error_form(dialect: &dyn Dialect, components: &mut Components) -> ErrorForm {
    let NamedSchema { name, schemas } = dialect.schema();
    components.schemas.extend(schemas);
    ErrorForm { schema: name, media_type: dialect.media_type() }
}
