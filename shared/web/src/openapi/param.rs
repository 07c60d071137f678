//! The descriptions and schemas of parameters, as strict as the code that reads the parameters.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use super::{NamedSchema, named_schema};

/// A path or query parameter without its name.
pub struct Param {
    description: String,
    required: bool,
    schema: RefOr<Schema>,
    /// The schemas that the parameter's schema refers to.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Param {
    /// Creates a parameter that every request must have.
    pub fn required(description: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        Self::new(description, true, schema.into(), Vec::new())
    }

    /// Creates a parameter that every request must have, with the schema of `T`, which the document names.
    pub fn required_of<T: utoipa::ToSchema>(description: &str) -> Self {
        Self { required: true, ..Self::optional_of::<T>(description) }
    }

    /// Creates a parameter that a request may leave out.
    pub fn optional(description: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        Self::new(description, false, schema.into(), Vec::new())
    }

    /// Creates a parameter that a request may leave out, with the schema of `T`, which the document names.
    pub fn optional_of<T: utoipa::ToSchema>(description: &str) -> Self {
        let NamedSchema { name, schemas } = named_schema::<T>();
        let reference = utoipa::openapi::Ref::from_schema_name(name);
        Self::new(description, false, RefOr::Ref(reference), schemas)
    }

    fn new(
        description: &str,
        required: bool,
        schema: RefOr<Schema>,
        schemas: Vec<(String, RefOr<Schema>)>,
    ) -> Self {
        Self { description: description.to_owned(), required, schema, schemas }
    }

    pub(super) fn build(&self, name: &str, place: ParameterIn) -> Parameter {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .description(Some(self.description.clone()))
            .required(if self.required { Required::True } else { Required::False })
            .schema(Some(self.schema.clone()))
            .build()
    }
}

/// Returns the schema of a text.
pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Returns the schema of a UUID.
pub fn uuid() -> ObjectBuilder {
    text().format(Some(SchemaFormat::Custom("uuid".to_owned())))
}

/// Returns the schema of one of a few words.
pub fn words<T: Into<serde_json::Value>>(words: impl IntoIterator<Item = T>) -> ObjectBuilder {
    text().enum_values(Some(words.into_iter().map(Into::into).collect::<Vec<serde_json::Value>>()))
}

/// Returns the schema of a whole number within bounds.
pub fn integer(least: u32, most: u32) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most))
}
