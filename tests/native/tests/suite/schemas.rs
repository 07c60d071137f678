//! The schemas of single values against the functions that check those values: both accept the same.

mod urls;

use std::collections::BTreeMap;

use boon::{Compiler, SchemaIndex, Schemas};
use kernel::net::Policy;
use kernel::secret::Secret;
use postern_core::model::credential::schema::{
    CredentialKey, CredentialValues, HeaderName, HeaderTemplates, HeaderValue,
};
use postern_core::model::credential::{HeaderTemplate, Values, check_templates};
use postern_core::model::field::{
    Description, DisplayName, Token, check_description, check_name, check_slug, check_token,
};
use postern_core::model::integration::Slug;
use postern_core::model::oauth::{OauthConfig, OauthText, Scopes};
use postern_core::oauth::flow::{ReturnPath, check_return_url};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The schema of a type, ready to validate.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn of<T: ToSchema>() -> Self {
        let named = web::openapi::named_schema::<T>();
        let components: serde_json::Map<String, Value> = named
            .schemas
            .into_iter()
            .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap()))
            .collect();
        let target = format!("#/components/schemas/{}", named.name);
        let root = json!({ "$ref": target, "components": { "schemas": components } });
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.enable_format_assertions();
        compiler.add_resource("urn:schema", root).unwrap();
        let index = compiler.compile("urn:schema", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn accepts(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.index).is_ok()
    }
}

/// Short texts that rules for texts disagree on.
const WORDS: &[&str] = &[
    "",
    " ",
    "  a  ",
    "a b",
    "a\nb",
    "\na",
    "a\n",
    "a\tb",
    "\t",
    "a\r\nb",
    "\u{0}",
    "a\u{0}",
    "\u{7f}",
    "\u{85}a",
    "a\u{85}b",
    "\u{a0}a\u{a0}",
    "\u{feff}",
    "\u{2028}a",
    "\u{3000}",
    "日本",
    "é",
    "a\u{301}",
    "😀",
    "Ünïcode",
    "\"",
    "a\"b",
    "\\",
    "a\\b",
    "-",
    "--",
    "-a",
    "a-",
    "a-b",
    "a--b",
    "a_b",
    "A",
    "7",
    "0",
    "install",
    "installed",
    "catalog",
    "Install",
    "null",
    "550e8400-e29b-41d4-a716-446655440000",
    "550e8400e29b41d4a716446655440000",
    "550E8400-e29b-41d4-a716-446655440000",
    "550e8400-e29b-41d4-a716-44665544000",
    "550e8400e29b-41d4-a716-446655440000",
    "{550e8400-e29b-41d4-a716-446655440000}",
    "/",
    "//",
    "/a",
    "//a",
    "/\\a",
    "/a\\b",
    "/a:b",
    "/a?b=%3A#c",
    "/é",
    "/a b",
    "/ ",
    "/~",
    "/;",
    "/9",
    "/.",
    "a/b",
    "{",
    "}",
    "{a",
    "a}",
    "{a}",
    "{}",
    "{{a}}",
    "{a}{b}",
    "{a b}",
    "{é}",
    "x{a}y",
    "}{",
    "{a}}",
    "{base64(a:b)}",
    "{base64(a)}",
    "{base64(a:b:c)}",
    "{base64(:b)}",
    "{base64(a:b)",
    "{base64()}",
    "{base64(a:b)x}",
    "Bearer {token}",
    "~",
    "!",
    "[",
    "]",
    "repo",
    "read:user",
    "https://www.example.com/scope",
];

/// Texts that rules for texts disagree on.
fn texts() -> Vec<String> {
    let lengths = [
        2, 39, 40, 41, 63, 64, 65, 100, 199, 200, 201, 202, 256, 257, 1024, 1025, 2000, 2001, 2047, 2048,
        2049, 16384, 16385,
    ];
    let long = lengths.into_iter().flat_map(|length| ["x", "é", "-"].map(|text| text.repeat(length)));
    let padded = [200, 201].map(|length| format!(" {}\n", "x".repeat(length)));
    let key = [64, 65].map(|length| format!("{{{}}}", "k".repeat(length)));
    WORDS.iter().map(|&word| word.to_owned()).chain(long).chain(padded).chain(key).collect()
}

/// Checks that the schema of `T` and `check` accept the same texts: those above, `more`, and every character alone, at
/// the beginning and between others, as far as `is_counted` says that schema and check can agree on the text.
fn agree<T: ToSchema>(more: &[&str], is_counted: impl Fn(&str) -> bool, check: impl Fn(&str) -> bool) {
    let schema = Schema::of::<T>();
    let mut verdicts = [0, 0];
    let mut see = |text: &str| {
        if is_counted(text) {
            let is_accepted = check(text);
            let shown: String = text.chars().take(80).collect();
            assert_eq!(schema.accepts(&json!(text)), is_accepted, "{}: {shown:?}", T::name());
            verdicts[usize::from(is_accepted)] += 1;
        }
    };
    for text in texts().iter().map(String::as_str).chain(more.iter().copied()) {
        see(text);
    }
    for c in char::MIN..=char::MAX {
        // Above the Basic Multilingual Plane, which has all white space and control characters, samples are enough.
        if u32::from(c) <= 0xffff || u32::from(c) % 0x100 == 0 {
            for text in [format!("{c}"), format!("{c}a"), format!("a{c}a"), format!("/{c}")] {
                see(&text);
            }
        }
    }
    assert!(verdicts.iter().all(|count| *count > 10), "{}: {verdicts:?}", T::name());
    for other in [json!(null), json!(7), json!(true), json!([]), json!({})] {
        assert!(!schema.accepts(&other), "{}: {other}", T::name());
    }
}

fn all(_: &str) -> bool {
    true
}

#[test]
fn names_descriptions_and_slugs() {
    agree::<DisplayName>(&[], all, |text| check_name("name", text).is_ok());
    agree::<Description>(&[], all, |text| check_description("description", text).is_ok());
    agree::<Slug>(&[], all, |text| check_slug("id", text).is_ok());
}

#[test]
fn secrets_and_return_urls() {
    agree::<Token>(&[], all, |text| check_token("token", text).is_ok());
    agree::<ReturnPath>(&[], all, |text| check_return_url(Some(text.to_owned())).is_ok());
}

#[test]
fn header_templates() {
    let check = |name: &str, value: &str| {
        check_templates(&[HeaderTemplate { name: name.to_owned(), value: value.to_owned() }]).is_ok()
    };
    let names = [
        "Host",
        "HOST",
        "host",
        "hosts",
        "x-host",
        "TE",
        "te",
        "tea",
        "Accept",
        "accept-encoding",
        "Accept-Language",
        "user-agent",
        "User-Agents",
        "Mcp-Session-Id",
        "MCP-",
        "mcp",
        "proxy-authorization",
        "proxy",
        "CF-Ray",
        "cf",
        "X-Forwarded-For",
        "x-forwarded",
        "Sec-Fetch-Mode",
        "second",
        "Authorization",
        "X-API-Key",
        "trailer",
        "trailers",
    ];
    agree::<HeaderName>(&names, all, |text| check(text, "x"));
    agree::<HeaderValue>(&[], all, |text| check("X-A", text));

    let schema = Schema::of::<HeaderTemplates>();
    let list = |count: usize| -> Vec<HeaderTemplate> {
        (0..count).map(|n| HeaderTemplate { name: format!("X-{n}"), value: "v".to_owned() }).collect()
    };
    for (count, is_accepted) in [(0, false), (1, true), (16, true), (17, false)] {
        assert_eq!(check_templates(&list(count)).is_ok(), is_accepted, "{count}");
        assert_eq!(schema.accepts(&json!(list(count))), is_accepted, "{count}");
    }
    let twice = [list(1), list(1)].concat();
    assert!(check_templates(&twice).is_err() && !schema.accepts(&json!(twice)));
    // A schema cannot say that two items have different names.
    let same_name = json!([{ "name": "X-A", "value": "1" }, { "name": "x-a", "value": "2" }]);
    assert!(schema.accepts(&same_name));
}

#[test]
fn credentials() {
    let check = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), Secret::new((*value).to_owned())));
        Values::check(pairs.collect()).is_ok()
    };
    agree::<CredentialKey>(&[], all, |text| check(&[(text, "v")]));
    let schema = Schema::of::<CredentialValues>();
    for text in texts() {
        assert_eq!(schema.accepts(&json!({ "key": text })), check(&[("key", &text)]), "value {text:?}");
        assert_eq!(schema.accepts(&json!({ &text: "v" })), check(&[(&text, "v")]), "key {text:?}");
    }
    for (count, is_accepted) in [(0, false), (1, true), (16, true), (17, false)] {
        let keys: Vec<String> = (0..count).map(|n| format!("k{n}")).collect();
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
        assert_eq!(check(&pairs), is_accepted, "{count}");
        let values: BTreeMap<&str, &str> = pairs.into_iter().collect();
        assert_eq!(schema.accepts(&json!(values)), is_accepted, "{count}");
    }
}

#[test]
fn oauth_configurations() {
    let check = |config: OauthConfig| config.check(Policy::default()).is_ok();
    // The rule counts bytes, which a schema cannot do.
    let counts_the_same = |text: &str| text.is_ascii() || text.len() <= 2048 || text.chars().count() > 2048;
    agree::<OauthText>(&[], counts_the_same, |text| {
        check(OauthConfig { client_id: Some(text.to_owned()), ..OauthConfig::default() })
    });
    let schema = Schema::of::<Scopes>();
    let agree_on = |scopes: Vec<String>| {
        let value = json!(scopes);
        let is_accepted = check(OauthConfig { scopes, ..OauthConfig::default() });
        assert_eq!(schema.accepts(&value), is_accepted, "{value}");
        is_accepted
    };
    let accepted = texts().into_iter().filter(|text| agree_on(vec![text.clone()])).count();
    assert!(accepted > 10);
    for c in '\0'..'\u{200}' {
        agree_on(vec![format!("a{c}")]);
    }
    for (count, is_accepted) in [(0, true), (100, true), (101, false)] {
        assert_eq!(agree_on(vec!["a".to_owned(); count]), is_accepted, "{count}");
    }
}
