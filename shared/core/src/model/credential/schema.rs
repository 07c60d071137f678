//! The schemas of credentials and header templates, see [`Values::check`](super::Values::check) and
//! [`check_templates`](super::check_templates).

use kernel::schema::{in_any_case, keyword, reference, schema_type, text};
use serde_json::json;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, ArrayBuilder, ObjectBuilder, Type};

use super::super::field::Token;
use super::header::{FORBIDDEN, FORBIDDEN_PREFIXES, LONGEST_TEMPLATE};
use super::values::LONGEST_KEY;
use super::{HeaderTemplate, MOST};

schema_type! {
    /// The values of a credential by key.
    CredentialValues, credential_values(), uses CredentialKey, Token
}

schema_type! {
    /// The key of a value.
    CredentialKey, credential_key()
}

schema_type! {
    /// The header templates of an integration.
    HeaderTemplates, header_templates(), uses HeaderTemplate
}

schema_type! {
    /// The name of a header that a template may set.
    HeaderName, header_name()
}

schema_type! {
    /// The value of a header template.
    HeaderValue, header_value()
}

schema_type! {
    /// The values of headers by name, which are sent as they are.
    PlainHeaders, plain_headers(), uses HeaderName
}

/// Returns a pattern of keys.
fn key() -> String {
    format!("[0-9A-Za-z_-]{{1,{LONGEST_KEY}}}")
}

fn credential_key() -> ObjectBuilder {
    text(format!("^{}$", key()))
        .description(Some(format!("The key of a value: 1 to {LONGEST_KEY} of A-Z, a-z, 0-9, _ and -.")))
}

fn credential_values() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(AllOfBuilder::new().item(reference::<CredentialKey>())))
        .additional_properties(Some(AdditionalProperties::from(reference::<Token>())))
        .min_properties(Some(1))
        .max_properties(Some(MOST))
        .write_only(true)
        .description(Some("The values that the headers need, by key. Sealed at once, never returned."))
        .examples([json!({ "token": "…" })])
}

fn header_templates() -> ArrayBuilder {
    ArrayBuilder::new()
        .items(reference::<HeaderTemplate>())
        .min_items(Some(1))
        .max_items(Some(MOST))
        .unique_items(true)
        .description(Some(
            "The headers to present instead of `Authorization: Bearer {token}`, each name once. Sealed as a whole, \
             never returned.",
        ))
}

/// A field name of RFC 9110 §5.1 that no template is forbidden to set.
fn header_name() -> ObjectBuilder {
    let names = FORBIDDEN.map(in_any_case).join("|");
    let prefixes = FORBIDDEN_PREFIXES.map(in_any_case).join("|");
    let forbidden = format!("^(?:(?:{names})$|{prefixes})");
    text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
        .extensions(keyword("not", json!({ "pattern": forbidden })))
        .description(Some(
            "A header's name, but for those that belong to the transport, to MCP or to proxies.",
        ))
}

fn header_value() -> ObjectBuilder {
    let key = key();
    text(format!("^(?:[ -z|~]|\\{{\\{{|\\}}\\}}|\\{{(?:{key}|base64\\({key}:{key}\\))\\}})+$"))
        .max_length(Some(LONGEST_TEMPLATE))
        .write_only(true)
        .description(Some(
            "Visible ASCII and spaces, with placeholders: `{key}`, or `{base64(user:password)}` for Basic \
             authentication. `{{` and `}}` stand for braces.",
        ))
        .examples([json!("Bearer {token}")])
}

fn plain_headers() -> ObjectBuilder {
    let value = text("^[ -~]+$").max_length(Some(LONGEST_TEMPLATE));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(AllOfBuilder::new().item(reference::<HeaderName>())))
        .additional_properties(Some(AdditionalProperties::from(Schema::from(value))))
        .max_properties(Some(MOST))
        .write_only(true)
        .description(Some(
            "Headers by name, with values of visible ASCII, which are sent as they are. Sealed at once, never returned.",
        ))
}
