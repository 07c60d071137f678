//! Reads JSON bodies strictly: an unknown field is an error that names the field, because a mistyped restriction that
//! was silently ignored would leave an integration more open than its author believes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_path_to_error::{Path, Segment};

use kernel::{Error, Result};

/// The fields that are objects with declared members. An error may show the names of these members.
const OBJECTS: [&str; 2] = ["oauth", "source"];

/// Reads a JSON object into the struct `T`, which must have `deny_unknown_fields`; a struct inside `T` must use
/// [`crate::only_objects`]. Fails with a text that names the field and the rule, and quotes no value.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let not_json = || Error::invalid("the request body is not valid JSON");
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if !error.inner().is_data() {
            // serde_json reports a null in the place of an enum as a syntax error.
            return match serde_json::from_slice::<IgnoredAny>(body) {
                Ok(_) => public("wrong type", error.path()),
                Err(_) => not_json(),
            };
        }
        let text = error.inner().to_string();
        // serde_json appends the position. The sentence before it is Postern's or serde's; `public` leaves out the
        // values that serde quotes.
        let sentence = text.split(" at line ").next().unwrap_or(&text);
        public(sentence, error.path())
    })?;
    deserializer.end().map_err(|_| not_json())?;
    Ok(value)
}

/// Reads a field of a partial update so that `null` does not count as absence: a field that is present is read as a
/// `T`. Use with `#[serde(default, deserialize_with = "…")]` on an `Option<T>`; if `T` is itself an `Option`, `null`
/// is read as `Some(None)`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a struct from a JSON object only. serde by itself would also read a struct from an array, element by element.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    deserializer.deserialize_map(Members(PhantomData))
}

/// Implements `Deserialize` for a struct inside a body so that the struct is read from an object only, see
/// [`object`](crate::json::object). The struct must derive `Deserialize` with `#[serde(remote = "Self")]`.
#[macro_export]
macro_rules! only_objects {
    ($name:ident) => {
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields($name);

                impl<'de> ::serde::Deserialize<'de> for Fields {
                    fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                        // Calls the inherent function that `remote = "Self"` derives.
                        $name::deserialize(deserializer).map(Self)
                    }
                }

                let Fields(value) = $crate::json::object(deserializer)?;
                Ok(value)
            }
        }
    };
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Returns the public error for one of serde's sentences, without the values that the sentence quotes: a token in the
/// wrong field must not be echoed. Only declared fields of the path are shown, because deeper steps may be keys that
/// a client chose.
fn public(sentence: &str, path: &Path) -> Error {
    if let Some(rest) = sentence.strip_prefix("unknown field `") {
        let field = rest.split('`').next().unwrap_or(rest);
        return Error::invalid(format!("unknown field \"{field}\""))
            .with_reason(field, "is not a known field");
    }
    if let Some(rest) = sentence.strip_prefix("missing field `") {
        return Error::invalid_field(rest.split('`').next().unwrap_or(rest), "is required");
    }
    let mut steps = path.iter();
    let field = match (steps.next(), steps.next()) {
        (Some(Segment::Map { key }), Some(Segment::Map { key: member }))
            if OBJECTS.contains(&key.as_str()) =>
        {
            format!("{key}.{member}")
        }
        (Some(Segment::Map { key }), _) => key.clone(),
        _ => String::new(),
    };
    let rule = rule(sentence);
    if field.is_empty() {
        Error::invalid(rule)
    } else {
        Error::invalid(format!("{field}: {rule}")).with_reason(field, rule)
    }
}

/// Returns the rule in one of serde's sentences, without the value that broke the rule.
fn rule(sentence: &str) -> String {
    if let Some((_, expected)) = sentence.split_once(", expected ") {
        let what = if sentence.starts_with("unknown variant") { "unknown value" } else { "wrong type" };
        let expected = if expected.starts_with("struct ") { "an object" } else { expected };
        return format!("{what}: expected {}", expected.replace('`', "\""));
    }
    sentence.replace('`', "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Sample {
        name: String,
        server_token: Option<String>,
        mode: Option<Mode>,
        #[serde(default, deserialize_with = "present")]
        renamed: Option<String>,
        #[serde(default, deserialize_with = "present")]
        chosen: Option<Mode>,
        #[serde(default)]
        oauth: Vec<Inner>,
        source: Option<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(remote = "Self", deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        value: String,
    }

    crate::only_objects!(Inner);

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        None,
    }

    fn refusal(body: &str) -> String {
        parse::<Sample>(body.as_bytes()).unwrap_err().message.into_owned()
    }

    #[test]
    fn an_array_is_not_read_as_an_object() {
        assert_eq!(refusal("[\"canary\"]"), "wrong type: expected an object");
        assert_eq!(refusal(r#"{"name":"a","source":["canary"]}"#), "source: wrong type: expected an object");
        assert_eq!(refusal(r#"{"name":"a","oauth":[["canary"]]}"#), "oauth: wrong type: expected an object");
        parse::<Sample>(br#"{"name":"a","oauth":[{"value":"b"}],"source":{"value":"c"}}"#).unwrap();
    }

    #[test]
    fn every_refusal_names_what_is_wrong_and_echoes_no_value() {
        assert_eq!(refusal(r#"{"name":"a","serverTokn":"canary"}"#), "unknown field \"serverTokn\"");
        assert_eq!(refusal(r#"{"serverToken":"canary"}"#), "name is required");
        assert_eq!(refusal(r#"{"name":"a","mode":"canary"}"#), "mode: unknown value: expected \"none\"");
        assert_eq!(refusal(r#"{"name":"a","chosen":null}"#), "chosen: wrong type");
        assert_eq!(refusal(r#"{"name":{"canary":1}}"#), "name: wrong type: expected a string");
        assert_eq!(refusal(r#"{"name":"a","renamed":null}"#), "renamed: wrong type: expected a string");
        assert_eq!(
            refusal(r#"{"name":"a","source":{"value":7}}"#),
            "source.value: wrong type: expected a string"
        );
        assert_eq!(refusal(r#"{"name":"a","source":{}}"#), "value is required");
        assert_eq!(refusal("\"canary\""), "wrong type: expected an object");
        for broken in ["", "{", "{\"name\":\"a\"} trailing", "\u{0}"] {
            assert_eq!(refusal(broken), "the request body is not valid JSON");
        }
    }
}
