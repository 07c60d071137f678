//! The schemas of what agents send to the MCP endpoints, as far as Postern checks that before a method's handler does.

use kernel::schema::{keyword, reference, schema_type};
use mcp::era::LONGEST_BATCH;
use postern_core::model::integration::Slug;
use serde_json::json;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaFormat, SchemaType, Type};

schema_type! {
    /// The body of a request, see [`mcp::era::classify`].
    RpcBody, body(), uses RpcMessage
}

schema_type! {
    /// One message, see [`mcp::message::Message::parse`].
    RpcMessage, message()
}

schema_type! {
    /// The slug or the UUID of an integration.
    Reference, integration(), uses Slug
}

fn body() -> AnyOfBuilder {
    let batch = ArrayBuilder::new()
        .items(reference::<RpcMessage>())
        .min_items(Some(1))
        .max_items(Some(LONGEST_BATCH))
        .description(Some("A batch, as agents of MCP 2025-03-26 send."));
    AnyOfBuilder::new().item(reference::<RpcMessage>()).item(batch)
}

fn message() -> ObjectBuilder {
    let response = |outcome: &str, other: &str| {
        json!({
            "required": ["id", outcome],
            "not": { "anyOf": [{ "required": [other] }, { "required": ["method"] }] },
        })
    };
    let kinds = json!([
        { "title": "A request or, without `id`, a notification.", "required": ["method"] },
        response("result", "error"),
        response("error", "result"),
    ]);
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("jsonrpc", ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["2.0"])))
        .property(
            "id",
            ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::String, Type::Integer])),
        )
        .property("method", ObjectBuilder::new().schema_type(Type::String))
        .required("jsonrpc")
        .description(Some(
            "A JSON-RPC 2.0 message as MCP has them. The protocol says what a method's `params` are.",
        ))
        .extensions(keyword("anyOf", kinds))
}

fn integration() -> AnyOfBuilder {
    let uuid =
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("uuid".to_owned())));
    AnyOfBuilder::new().item(reference::<Slug>()).item(uuid)
}
