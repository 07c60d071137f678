//! Which schemas are accepted, and that no error repeats what the user sent.

use serde_json::json;

use super::*;

const CANARY: &str = "s3cr3t-canary";

pub(super) fn raw(schema: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(schema).unwrap()
}

fn why(result: Result<()>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.code, kernel::error::Code::Invalid);
    assert_eq!(error.internal, None, "no internal text that a log would show");
    error.message.into_owned()
}

/// Returns `{"allOf":[{"allOf":[…]}]}` and the like, `levels` deep.
fn nested(keyword: &str, levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ keyword: inner }))
}

/// Returns a schema with `$defs` d0 to d`count`; `link` makes each of them from a `$ref` to the next.
fn chain(count: usize, link: impl Fn(Value) -> Value) -> Value {
    let defs = (0..count).map(|i| (format!("d{i}"), link(json!({ "$ref": format!("#/$defs/d{}", i + 1) }))));
    let mut defs: serde_json::Map<_, _> = defs.collect();
    defs.insert(format!("d{count}"), json!({"type": "string"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

#[test]
fn usable_schemas_are_accepted() {
    for schema in [
        json!({}),
        json!({"apiKey": "string"}),
        json!({"id": "string", "secret": "string"}),
        json!({"$id": "https://example.com/s.json", "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}),
        json!({"$ref": "#a", "$defs": {"x": {"$anchor": "a"}}}),
        json!({"$dynamicRef": "#a", "$defs": {"x": {"$dynamicAnchor": "a"}}}),
        json!({"$ref": "#/$defs/a%20b~1c", "$defs": {"a b/c": true}}),
        json!({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}, "pattern": {}}}),
        json!({"pattern": r"^\w{20,200}(-[\d.]+|[^\s/]){1,3}$"}),
        json!({"pattern": r"^\p{L}{1,20}$"}),
        json!({"pattern": ".{64,512}"}),
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
        json!({"$schema": "https://json-schema.org/draft/2019-09/schema"}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        json!({"$schema": "http://json-schema.org/draft-06/schema#"}),
        json!({"$schema": "http://json-schema.org/draft-04/schema#", "id": "http://example.com/s"}),
        nested("not", MAX_DEPTH - 1),
        chain(8, |next| next),
    ] {
        check(&raw(&schema)).unwrap_or_else(|error| panic!("{schema}: {error}"));
    }
}

#[test]
fn unusable_schemas_are_refused_with_a_reason() {
    for (schema, told) in [
        (json!([]), "must be a JSON object"),
        (json!(true), "must be a JSON object"),
        (json!({"type": "strnig"}), "is not a valid JSON Schema at \"/type\": "),
        (json!({"properties": {"a": {"minLength": "1"}}}), "Schema at \"/properties/a/minLength\": type"),
        (json!({"$defs": {"a": {"required": "b"}}}), "Schema at \"/$defs/a/required\": type"),
        (json!({"$schema": "https://example.com/mine"}), "unknown $schema"),
        (json!({"$schema": "https://json-schema.org/draft/2020-12/meta/core"}), "unknown $schema"),
        (json!({"$schema": 7}), "unknown $schema"),
        (json!({"$ref": "https://example.com/s"}), "inside itself (\"#…\"), at \"/$ref\""),
        (json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}), "inside itself"),
        (json!({"not": {"$dynamicRef": "other#a"}}), "inside itself (\"#…\"), at \"/not/$dynamicRef\""),
        (json!({"$ref": "file:///etc/passwd"}), "inside itself"),
        (json!({"$ref": ""}), "inside itself"),
        (json!({"$ref": "#/b", "$id": "https://example.com/s", "a": {}}), "points nowhere: \"#/b\""),
        (json!({"$ref": "#a"}), "points nowhere"),
        (json!({"$ref": "#/a%FF"}), "points nowhere"),
        (json!({"$ref": "#/a", "a": 1}), "is not a valid JSON Schema"),
        (json!({"not": {"$id": "https://example.com/t", "$ref": "#/a", "a": {}}}), "at \"/not/$id\""),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema", "not": {"id": "http://e.com"}}),
            "/not/id",
        ),
        (json!({"allOf": [{"$anchor": "b"}, {"$anchor": "b"}]}), "has the same anchor twice"),
        (json!({"pattern": "("}), "has a pattern at \"/pattern\" that is not supported"),
        (json!({"pattern": "^(?=a)b"}), "not supported"),
        (json!({"pattern": r"(a)\1"}), "not supported"),
        (json!({"patternProperties": {"(?!x)": {}}}), "at \"/patternProperties\" that is not supported"),
        (json!({"pattern": "((a{1000}){1000}){1000}"}), "too large a pattern"),
        (json!({"pattern": r"\p{L}{1000}"}), "too large a pattern"),
        (json!({"allOf": vec![json!({"pattern": "a"}); 400]}), "too large once its $refs"),
        (json!({"allOf": vec![json!({"pattern": ".{700}"}); 6]}), "too large once its $refs"),
        (
            json!({"patternProperties": {".{700}a": 1, ".{700}b": 1, ".{700}c": 1, ".{700}d": 1, ".{700}e": 1,
            ".{700}f": 1}}),
            "too large once its $refs",
        ),
        (json!({"$ref": "#"}), "refers to itself through \"#\""),
        (json!({"properties": {"child": {"$ref": "#"}}}), "refers to itself"),
        (json!({"$ref": "#/a", "a": {"$ref": "#/b"}, "b": {"not": {"$ref": "#/a"}}}), "refers to itself"),
        (
            json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "not": {"$recursiveRef": "#"}}),
            "itself",
        ),
        (nested("not", MAX_DEPTH), "at most 32 deep"),
        (nested("not", 200), "is not JSON, or nested too deeply"),
        (chain(1000, |next| next), "too large once its $refs are followed"),
        (chain(40, |next| json!({"not": next})), "too large once its $refs are followed"),
        (
            json!({"allOf": vec![json!({"$ref": "#/$defs/a"}); 90], "$defs": {"a": {"pattern": "a{30}"}}}),
            "too large once",
        ),
        (chain(14, |next| json!({"allOf": [next, next]})), "too large once its $refs are followed"),
        (json!({"description": "x".repeat(MAX_BYTES)}), "at most 65536 bytes"),
    ] {
        let message = why(check(&raw(&schema)));
        assert!(message.starts_with("credentialSchema ") && message.contains(told), "{schema}: {message}");
    }
}

#[test]
fn credentials_that_match_the_schema_are_accepted() {
    let schema = raw(&json!({"type": "object", "required": ["key"], "additionalProperties": false,
        "properties": {"key": {"$ref": "#/$defs/key"}}, "$defs": {"key": {"type": "string", "pattern": "^sk-"}}}));
    validate(&schema, &json!({"key": "sk-1"})).unwrap();
    validate(&raw(&json!({"apiKey": "string"})), &json!({"anything": 1})).unwrap();
    validate(&raw(&json!({"type": "string", "minLength": 3})), &json!("abc")).unwrap();
}

#[test]
fn failures_name_place_and_keyword_and_quote_no_value() {
    let c = CANARY;
    let with = |schema: Value| json!({"properties": {"a/b": schema}});
    let at = |value: Value| json!({"a/b": value});
    for (schema, instance, told) in [
        (with(json!({"type": "integer"})), at(json!(c)), "\"/a~1b\": type"),
        (with(json!({"enum": ["x", {}]})), at(json!(c)), "\"/a~1b\": enum"),
        (with(json!({"const": "x"})), at(json!(c)), "\"/a~1b\": const"),
        (with(json!({"pattern": "^x"})), at(json!(c)), "\"/a~1b\": pattern"),
        (with(json!({"minLength": 99})), at(json!(c)), "\"/a~1b\": minLength"),
        (with(json!({"maxLength": 1})), at(json!(c)), "\"/a~1b\": maxLength"),
        (with(json!({"not": {"type": "string"}})), at(json!(c)), "\"/a~1b\": not"),
        (with(json!({"anyOf": [{"type": "null"}, {"const": 1}]})), at(json!(c)), "\"/a~1b\": anyOf"),
        (with(json!({"oneOf": [{"type": "null"}, {"const": 1}]})), at(json!(c)), "\"/a~1b\": oneOf"),
        (with(json!({"oneOf": [{}, true]})), at(json!(c)), "\"/a~1b\": oneOf"),
        (with(json!({"allOf": [{}, {"maxLength": 1}]})), at(json!(c)), "\"/a~1b\": maxLength"),
        (with(json!({"allOf": [{"minLength": 99}, {"const": 1}]})), at(json!(c)), "\"/a~1b\": minLength"),
        (with(json!({"if": {"type": "string"}, "then": {"const": 1}})), at(json!(c)), "\"/a~1b\": const"),
        (with(json!({"if": {"type": "string"}, "then": false})), at(json!(c)), "\"/a~1b\": then"),
        (with(json!(false)), at(json!(c)), "\"/a~1b\": properties"),
        (with(json!({"minimum": 9_000_000})), at(json!(4711)), "\"/a~1b\": minimum"),
        (with(json!({"maximum": 1})), at(json!(4711)), "\"/a~1b\": maximum"),
        (with(json!({"exclusiveMinimum": 4711})), at(json!(4711)), "\"/a~1b\": exclusiveMinimum"),
        (with(json!({"exclusiveMaximum": 3})), at(json!(4711)), "\"/a~1b\": exclusiveMaximum"),
        (with(json!({"multipleOf": 2})), at(json!(4711)), "\"/a~1b\": multipleOf"),
        (with(json!({"uniqueItems": true})), at(json!([c, c])), "\"/a~1b\": uniqueItems"),
        (with(json!({"minItems": 9})), at(json!([c])), "\"/a~1b\": minItems"),
        (with(json!({"maxItems": 0})), at(json!([c])), "\"/a~1b\": maxItems"),
        (with(json!({"items": {"maxLength": 1}})), at(json!([c])), "\"/a~1b/0\": maxLength"),
        (with(json!({"items": false})), at(json!([c])), "items"),
        (with(json!({"prefixItems": [false]})), at(json!([c])), "\"/a~1b/0\": prefixItems"),
        (with(json!({"unevaluatedItems": false})), at(json!([c])), "unevaluatedItems"),
        (with(json!({"contains": {"const": 1}})), at(json!([c])), "\"/a~1b\": contains"),
        (with(json!({"contains": {"const": 1}, "minContains": 2})), at(json!([c])), "\"/a~1b\": minContains"),
        (with(json!({"contains": {}, "maxContains": 1})), at(json!([c, c])), "\"/a~1b\": maxContains"),
        (json!({"required": ["need"]}), json!({c: c}), "\"\": required (\"need\" is missing)"),
        (json!({"minProperties": 9}), json!({c: c}), "\"\": minProperties"),
        (json!({"maxProperties": 0}), json!({c: c}), "\"\": maxProperties"),
        (json!({"additionalProperties": false}), json!({c: c}), "\"\": additionalProperties"),
        (json!({"additionalProperties": {"type": "null"}}), json!({c: c}), "\"/*\": type"),
        (json!({"unevaluatedProperties": false}), json!({c: c}), "unevaluatedProperties"),
        (json!({"patternProperties": {"^s3": {"type": "null"}}}), json!({c: c}), "\"/*\": type"),
        (json!({"patternProperties": {"^s3": false}}), json!({c: c}), "\"/*\": patternProperties"),
        (json!({"propertyNames": {"maxLength": 1}}), json!({c: c}), "\"\": propertyNames"),
        (json!({"propertyNames": false}), json!({c: c}), "\"\": propertyNames"),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            json!({"a": c}),
            "\"\": dependentRequired (\"b\" is missing)",
        ),
        (json!({"dependentSchemas": {"a": false}}), json!({"a": c}), "dependentSchemas"),
        (json!({"dependentSchemas": {"a": {"type": "null"}}}), json!({"a": c}), "\"\": type"),
        (json!({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}), json!(c), "\"\": const"),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}}),
            json!({"a": c}),
            "\"\": dependencies (\"b\" is missing)",
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [true], "additionalItems": false}),
            json!([c, c]),
            "\"\": additionalItems",
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 4711, "exclusiveMinimum": true}),
            json!(4711),
            "\"\": exclusiveMinimum",
        ),
    ] {
        let message = why(validate(&raw(&schema), &instance));
        assert!(message.contains(told), "{schema}: {message}");
        assert!(!message.contains(CANARY) && !message.contains("canary"), "{schema}: {message}");
        assert!(!message.contains("4711"), "{schema}: {message}");
    }
}

#[test]
fn formats_are_checked_and_failures_quote_no_value() {
    for format in [
        "date-time",
        "date",
        "time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uuid",
        "regex",
        "json-pointer",
        "relative-json-pointer",
        "uri-template",
        "iri",
        "idn-email",
        "idn-hostname",
        "uri-reference",
    ] {
        let pasted = format!("({CANARY}_ {{%zz");
        let message = why(validate(&raw(&json!({ "format": format })), &json!(pasted)));
        assert!(message.ends_with("at \"\": format"), "{format}: {message}");
    }
}

#[test]
fn a_property_is_named_only_where_the_schema_names_it() {
    let schema =
        raw(&json!({"properties": {"known": {"additionalProperties": {"items": {"type": "null"}}}}}));
    let message = why(validate(&schema, &json!({"known": {CANARY: [null, CANARY]}})));
    assert!(message.ends_with("at \"/known/*/1\": type"), "{message}");
}

#[test]
fn no_pattern_hangs_and_oversized_credentials_are_refused() {
    let text = format!("{}!", "a".repeat(16_000));
    for pattern in ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(.*a){20}$", r"^(\w+\s?)*$"] {
        let message = why(validate(&raw(&json!({ "pattern": pattern })), &json!(text)));
        assert!(message.ends_with("at \"\": pattern"), "{pattern}: {message}");
    }
    for much in [json!(vec![0; MAX_INSTANCE_VALUES]), nested("a", MAX_DEPTH), json!({text.as_str(): text})] {
        assert!(why(validate(&raw(&json!({})), &much)).starts_with("credentials have too many"));
    }
    // The most expensive schema that is accepted, on a stack as small as the one in WASM.
    let schema = raw(&chain(14, |next| json!({"not": {"not": next}})));
    let deepest = move || why(validate(&schema, &json!(1)));
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(deepest).unwrap();
    assert!(thread.join().unwrap().ends_with("at \"\": not"));
}
