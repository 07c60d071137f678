//! Schemas of single values for the OpenAPI document. Such a schema stands beside the function that checks the value,
//! is built from the same constants, and accepts the same values as that function.
//!
//! A pattern is a regular expression of ECMA-262, as JSON Schema demands. It uses only syntax that the regular
//! expressions of Rust and Python have too, because validators are written with them.

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// The characters that `str::trim` removes, for use inside of a pattern's `[…]`.
pub const WHITE_SPACE: &str = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
/// The control characters (Unicode's category Cc), for use inside of a pattern's `[…]`.
pub const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
/// Base64 with the alphabet for URLs and without padding (RFC 4648 §5): the form of signed tokens, cursors and states.
pub const BASE64URL: &str = "^[A-Za-z0-9_-]+$";

/// Returns the schema of a text that matches `pattern`.
pub fn text(pattern: impl Into<String>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern.into()))
}

/// Returns a keyword of JSON Schema that utoipa's builders do not have, such as `not`, for their method `extensions`.
/// There can be only one: several would be written in no fixed order.
pub fn keyword(name: &str, value: Value) -> Option<Extensions> {
    Some(Extensions::from_iter([(name, value)]))
}

/// Returns a pattern of `text`, ASCII in lower case, in any case.
pub fn in_any_case(text: &str) -> String {
    let letter = |c: char| match c {
        'a'..='z' => format!("[{}{c}]", c.to_ascii_uppercase()),
        '.' => "\\.".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(letter).collect()
}

/// Returns a reference to the schema of `T`.
pub fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

/// Defines a type that stands for a schema in the OpenAPI document. A field of a request names the type in
/// `#[schema(value_type = …)]`, and the document then refers to the schema by the type's name. The types that the
/// schema itself refers to follow after `uses`.
#[macro_export]
macro_rules! schema_type {
    ($(#[$doc:meta])* $name:ident, $schema:expr $(, uses $($used:ty),+)?) => {
        $(#[$doc])*
        pub struct $name;

        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl ::utoipa::ToSchema for $name {
            $(fn schemas(
                schemas: &mut Vec<(String, ::utoipa::openapi::RefOr<::utoipa::openapi::Schema>)>,
            ) {
                $(
                    let schema = <$used as ::utoipa::PartialSchema>::schema();
                    schemas.push((<$used as ::utoipa::ToSchema>::name().into_owned(), schema));
                    <$used as ::utoipa::ToSchema>::schemas(schemas);
                )+
            })?
        }
    };
}
pub use crate::schema_type;
