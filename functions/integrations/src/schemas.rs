//! JSON Schemas of fields for which the Rust types would give too general ones.

use kernel::schema::{reference, schema_type, text};
use postern_core::model::integration::{AuthMode, ToolPolicy};
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};

use crate::directory;

/// Declared capabilities: an object, or an array.
pub(crate) fn capabilities() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::Object, Type::Array]))
        .description(Some("What the upstream offers, as declared: kept as it is, never interpreted."))
        .examples([json!({ "tools": true })])
        .build()
}

/// Declared capabilities, where `null` removes them or stands for none.
pub(crate) fn capabilities_or_null() -> Object {
    let schema_type = SchemaType::Array(vec![Type::Object, Type::Array, Type::Null]);
    ObjectBuilder::from(capabilities()).schema_type(schema_type).build()
}

schema_type! {
    /// The settings of an installation, see `hoziron::install`.
    InstallConfig, install_config(), uses AuthMode, ToolPolicy
}

/// Two settings of Postern's, and the variables of all catalogue entries. Which variables an installation may have
/// depends on its source.
fn install_config() -> ObjectBuilder {
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("Settings of Postern's, and the variables that the catalogue entry's URL needs."))
        .property("auth_mode", reference::<AuthMode>())
        .property("tool_policy", reference::<ToolPolicy>())
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let variables = directory::variables().unwrap_or_default();
    variables.into_iter().fold(object, |object, variable| {
        let value = text(directory::VALUE_PATTERN).max_length(Some(directory::LONGEST_VALUE));
        object.property(variable.key, value.description(Some(variable.label)))
    })
}
