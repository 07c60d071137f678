//! Rules between the fields of one body, which the schema that a struct derives cannot have.

use std::borrow::Cow;

use kernel::schema::keyword;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A struct with rules between its fields.
pub trait Rules: ToSchema {
    /// Returns the schemas of which a body must fit at least one (`anyOf`), besides the struct's derived schema.
    fn alternatives() -> Value;

    /// Adds the schemas, by name, that [`alternatives`](Self::alternatives) refers to and no field does.
    fn uses(_schemas: &mut Vec<(String, RefOr<Schema>)>) {}
}

/// A `T` whose schema has the rules of `T`. It is read from JSON like a `T`: the handler checks the rules.
#[derive(Default)]
pub struct Ruled<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ruled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: Rules> PartialSchema for Ruled<T> {
    fn schema() -> RefOr<Schema> {
        match T::schema() {
            RefOr::T(Schema::Object(object)) => {
                ObjectBuilder::from(object).extensions(keyword("anyOf", T::alternatives())).into()
            }
            other => other,
        }
    }
}

impl<T: Rules> ToSchema for Ruled<T> {
    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
        T::uses(schemas);
    }
}
