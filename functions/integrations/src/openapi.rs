//! What this function adds to the OpenAPI document: its operations, described where their handlers stand.

use utoipa::OpenApi;
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, Object, ObjectBuilder, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, Schema};

use crate::{about, about_routes, hoziron, hoziron_routes, kontext, routes};

#[derive(OpenApi)]
#[openapi(
    paths(
        kontext::create::create,
        kontext::read::list,
        kontext::read::get,
        kontext::update::update,
        kontext::read::archive,
        kontext::read::validate,
        kontext::oauth::get,
        kontext::oauth::replace,
        kontext::oauth::remove,
        kontext::connection::add,
        kontext::connection::get,
        kontext::connection::revoke,
        kontext::tools::list,
        kontext::tools::approve,
        kontext::tools::reject,
        hoziron::read::list,
        hoziron::read::catalog,
        hoziron::install::install,
        hoziron::lifecycle::remove,
        hoziron::lifecycle::start,
        hoziron::lifecycle::stop,
        hoziron::lifecycle::restart,
        hoziron::read::status,
        hoziron::read::tools,
        about::health,
        about::openapi,
    ),
    tags(
        (
            name = "Kontext",
            description = "The registry in the Kontext dialect: camelCase, integrations by UUID, errors as `KontextError`."
        ),
        (
            name = "Hoziron",
            description = "The same registry in the Hoziron dialect: snake_case, integrations by slug, errors as \
                           `HozironError`."
        ),
        (name = "Deployment", description = "What this deployment says about itself.")
    )
)]
struct Document;

/// The operations of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for table in [routes(), hoziron_routes(), about_routes()] {
        table.describe(&mut document);
    }
    document
}

/// Declared capabilities: an object, or an array.
pub(crate) fn capabilities() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::Object, Type::Array]))
        .description(Some("What the upstream offers, as declared: kept as it is, never interpreted."))
        .examples([serde_json::json!({ "tools": true })])
        .build()
}

/// The same where `null` removes it.
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

/// `config` of an installation: two settings of Postern's, the rest are variables of the catalogue entry.
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
