//! MCP's HTTP headers (2026-07-28): their names, the encoding of their values, and `x-mcp-header`, the annotation in a
//! tool's schema that has an argument mirrored in a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The header with the protocol revision of the request.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The header with the body's method.
pub const METHOD: &str = "mcp-method";
/// The header with the body's `params.name` or `params.uri`.
pub const NAME: &str = "mcp-name";
/// The header with the session of a legacy exchange.
pub const SESSION_ID: &str = "mcp-session-id";
/// The prefix of headers that mirror arguments.
pub const PARAM_PREFIX: &str = "mcp-param-";

const MARK: &str = "=?base64?";
const END: &str = "?=";

/// Returns `text` as a header value: unchanged if it is plain ASCII, else in base64 between marks.
pub fn encode_value(text: &str) -> String {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && text.trim() == text
        && !(text.starts_with(MARK) && text.ends_with(END));
    if plain { text.to_owned() } else { format!("{MARK}{}{END}", STANDARD.encode(text)) }
}

/// Returns the text of a header value; `None` if the value is marked as base64 and is not base64 of UTF-8.
pub fn decode_value(value: &str) -> Option<String> {
    match value.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(END)) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

/// An argument that clients mirror in the header `Mcp-Param-<header>` when they call the tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamHeader {
    /// The header's name without its prefix, as the schema spells it.
    pub header: String,
    /// The property names that lead to the argument.
    pub path: Vec<String>,
}

/// The deepest nesting of a schema that is searched; a deeper schema counts as invalid.
const DEEPEST: usize = 64;
/// Most annotations of a schema, since each becomes a header of every call; a schema with more counts as invalid. Each
/// annotation carries its whole path, so that without a bound a schema could take many times its own size.
const MOST_HEADERS: usize = 64;

impl ParamHeader {
    /// Returns all annotations of an input schema; `None` if one of them is invalid, because clients must then drop the
    /// whole tool.
    pub fn collect(schema: &Value) -> Option<Vec<Self>> {
        let mut found = Vec::new();
        search(schema, Some(&mut Vec::new()), 0, &mut found)?;
        let unique = found.iter().enumerate().all(|(index, one): (usize, &Self)| {
            found.iter().take(index).all(|other| !other.header.eq_ignore_ascii_case(&one.header))
        });
        unique.then_some(found)
    }

    /// Returns the value to mirror; `None` if the argument is absent, null, an array or an object.
    pub fn value(&self, arguments: &Value) -> Option<String> {
        let found = self.path.iter().try_fold(arguments, |value, key| value.get(key))?;
        match found {
            Value::String(text) => Some(text.clone()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Adds the annotations of `schema` to `found`. Returns `None` if an annotation is invalid. `path` is `None` outside
/// of a chain of `properties`, where every annotation is invalid.
fn search(
    schema: &Value,
    mut path: Option<&mut Vec<String>>,
    depth: usize,
    found: &mut Vec<ParamHeader>,
) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    match schema {
        Value::Object(members) => {
            if let Some(annotation) = members.get("x-mcp-header") {
                let header = annotation.as_str().filter(|name| is_token(name))?;
                let of_scalar = matches!(members.get("type")?.as_str()?, "string" | "integer" | "boolean");
                let path = path.as_ref().filter(|path| !path.is_empty() && of_scalar)?;
                if found.len() == MOST_HEADERS {
                    return None;
                }
                found.push(ParamHeader { header: header.to_owned(), path: (*path).clone() });
            }
            for (key, member) in members {
                match (key.as_str(), member, path.as_deref_mut()) {
                    ("properties", Value::Object(properties), Some(path)) => {
                        for (name, property) in properties {
                            path.push(name.clone());
                            search(property, Some(path), depth + 1, found)?;
                            path.pop();
                        }
                    }
                    // The values of these keywords are data, not schemas.
                    ("enum" | "const" | "default" | "examples" | "x-mcp-header", ..) => {}
                    _ => search(member, None, depth + 1, found)?,
                }
            }
            Some(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| search(item, None, depth + 1, found)),
        _ => Some(()),
    }
}

/// Returns `true` for a token (RFC 9110 §5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_sent_plain_or_encoded_and_read_back_unchanged() {
        for (text, encoded) in [
            ("echo", "echo"),
            ("", ""),
            ("a b", "a b"),
            (" a", "=?base64?IGE=?="),
            ("né", "=?base64?bsOp?="),
            ("a\nb", "=?base64?YQpi?="),
            ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="),
        ] {
            assert_eq!(encode_value(text), encoded);
            assert_eq!(decode_value(encoded).as_deref(), Some(text));
        }
        assert_eq!(decode_value("=?base64?***?="), None);
        assert_eq!(decode_value("=?base64?eA==").as_deref(), Some("=?base64?eA=="), "no end mark: literal");
    }

    #[test]
    fn annotations_are_found_along_properties_only() {
        let schema = json!({"type":"object","properties":{
            "region":{"type":"string","x-mcp-header":"Region"},
            "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
            "plain":{"type":"string","default":{"x-mcp-header":"data"}}}});
        let found = ParamHeader::collect(&schema).unwrap();
        assert_eq!(found.len(), 2);
        let arguments = json!({"region":"eu","deep":{"n":7}});
        let values: Vec<_> = found.iter().filter_map(|header| header.value(&arguments)).collect();
        assert_eq!(values.len(), 2);
        assert!(values.contains(&"eu".to_owned()) && values.contains(&"7".to_owned()));
        assert!(found.iter().all(|header| header.value(&json!({"region":null})).is_none()));
    }

    #[test]
    fn a_schema_has_a_bounded_number_of_annotations() {
        let schema = |count: usize| {
            let properties: serde_json::Map<String, Value> = (0..count)
                .map(|n| (format!("p{n}"), json!({"type":"string","x-mcp-header":format!("H{n}")})))
                .collect();
            json!({"properties":{"a long name ".repeat(1000):{"properties":properties}}})
        };
        assert_eq!(ParamHeader::collect(&schema(MOST_HEADERS)).unwrap().len(), MOST_HEADERS);
        assert_eq!(ParamHeader::collect(&schema(MOST_HEADERS + 1)), None);
    }

    #[test]
    fn one_invalid_annotation_makes_the_whole_schema_invalid() {
        for property in [
            json!({"type":"string","x-mcp-header":"a b"}),
            json!({"type":"string","x-mcp-header":""}),
            json!({"type":"string","x-mcp-header":7}),
            json!({"type":"number","x-mcp-header":"A"}),
            json!({"x-mcp-header":"A"}),
            json!({"type":"array","items":{"type":"string","x-mcp-header":"A"}}),
            json!({"anyOf":[{"type":"string","x-mcp-header":"A"}]}),
        ] {
            let schema = json!({"type":"object","properties":{"p":property}});
            assert_eq!(ParamHeader::collect(&schema), None, "{schema}");
        }
        let twice = json!({"properties":{"a":{"type":"string","x-mcp-header":"X"},"b":{"type":"string","x-mcp-header":"x"}}});
        assert_eq!(ParamHeader::collect(&twice), None);
        assert_eq!(
            ParamHeader::collect(&json!({"x-mcp-header":"A","type":"string"})),
            None,
            "an annotation of the root is invalid"
        );
    }
}
