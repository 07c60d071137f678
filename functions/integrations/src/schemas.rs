//! JSON Schemas of fields for which the Rust types would give too general ones.

use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, Object, ObjectBuilder, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, Schema};

/// Declared capabilities: an object, or an array.
pub(crate) fn capabilities() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::Object, Type::Array]))
        .description(Some("What the upstream offers, as declared: kept as it is, never interpreted."))
        .examples([serde_json::json!({ "tools": true })])
        .build()
}

/// Declared capabilities, where `null` removes them or stands for none.
pub(crate) fn capabilities_or_null() -> Object {
    let schema_type = SchemaType::Array(vec![Type::Object, Type::Array, Type::Null]);
    ObjectBuilder::from(capabilities()).schema_type(schema_type).build()
}

/// The values of a credential, by key.
pub(crate) fn credential_values() -> Object {
    let value = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::Object, Type::Null]))
        .description(Some("The values that the headers need, by key. Sealed at once, never returned."))
        .additional_properties(Some(AdditionalProperties::from(Schema::from(value.build()))))
        .write_only(true)
        .examples([serde_json::json!({ "token": "…" })])
        .build()
}

/// The field `config` of an installation: two settings of Postern's, and the variables of the catalogue entry.
pub(crate) fn config() -> Object {
    let text: Schema = ObjectBuilder::new().schema_type(Type::String).build().into();
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::Object, Type::Null]))
        .description(Some("Settings of Postern's, and the variables that the catalogue entry's URL needs."))
        .property("auth_mode", Ref::from_schema_name("AuthMode"))
        .property("tool_policy", Ref::from_schema_name("ToolPolicy"))
        .additional_properties(Some(AdditionalProperties::from(text)))
        .build()
}
