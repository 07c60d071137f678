//! An operator's `credentialSchema`: which JSON Schemas are accepted, and whether a pasted credential matches one.
//!
//! The operator writes the schema, a user pastes the secret. No error here quotes what the user sent, and neither the
//! schema nor the secret can make a check run long or recurse deeply. Of a failure that the library reports, only the
//! kind is rendered, never the library's text.

use std::collections::{HashMap, HashSet};

use boon::{CompileError, ErrorKind, InstanceToken, ValidationError};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::value::RawValue;

use kernel::{Error, Result};

const MAX_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 32;
/// Most places (JSON values), and most levels, of a schema in which each `$ref` is replaced by its target.
const MAX_EXPANDED: usize = 4096;
const MAX_EXPANDED_DEPTH: usize = 64;
/// Sizes in bytes that a compiled pattern may have, each with the number of places that such a pattern counts for.
/// The engine never backtracks: the time of a match is bounded by this size times the length of the text. A check
/// that uses up every limit stays under a second.
const PATTERN_SIZES: [(usize, usize); 4] = [(1 << 10, 12), (4 << 10, 48), (16 << 10, 192), (64 << 10, 768)];
/// Factor by which a pattern with \p{…} may be larger: such a pattern compiles to many short alternatives.
const UNICODE: usize = 16;
const MAX_INSTANCE_VALUES: usize = 1024;
/// Most bytes of all strings and names of a credential: more than any upstream accepts in a header.
const MAX_INSTANCE_TEXT: usize = 16 * 1024;
const URL: &str = "urn:credential-schema";
const DRAFTS: [&str; 5] =
    ["draft/2020-12/schema", "draft/2019-09/schema", "draft-07/schema", "draft-06/schema", "draft-04/schema"];
/// Keywords that apply a subschema. If the subschema `false` fails, the error names the keyword that applied it.
const APPLICATORS: [&str; 13] = [
    "additionalItems",
    "additionalProperties",
    "dependencies",
    "dependentSchemas",
    "else",
    "items",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Checks that `schema` can be used as a `credentialSchema`: a self-contained JSON Schema, draft 2020-12 unless
/// `$schema` names another, that does not refer to itself.
pub fn check(schema: &RawValue) -> Result<()> {
    Compiled::new(schema).map(|_| ())
}

/// Checks that `instance`, a pasted credential, matches `schema`. The error names the place and the keyword that
/// failed, but neither a value nor a property that the schema does not name.
pub fn validate(schema: &RawValue, instance: &Value) -> Result<()> {
    let compiled = Compiled::new(schema)?;
    let (mut values, mut text) = (MAX_INSTANCE_VALUES, MAX_INSTANCE_TEXT);
    if fits(instance, MAX_DEPTH, &mut values, &mut text).is_none() {
        return Err(Error::invalid("credentials have too many, too long or too deeply nested values"));
    }
    compiled.schemas.validate(instance, compiled.index).map_err(|error| {
        let (at, keyword) = failure(&error, |name| compiled.names.contains(name));
        Error::invalid(format!("credentials do not match the credentialSchema at \"{at}\": {keyword}"))
    })
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("credentialSchema {why}"))
}

/// Subtracts the size of `value` from `values` and `text`, the rest of the limits. Returns `None` if a limit is
/// exceeded.
fn fits(value: &Value, depth: usize, values: &mut usize, text: &mut usize) -> Option<()> {
    *values = values.checked_sub(1)?;
    let below = depth.checked_sub(1)?;
    match value {
        Value::String(string) => *text = text.checked_sub(string.len())?,
        Value::Array(items) => items.iter().try_for_each(|item| fits(item, below, values, text))?,
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            *text = text.checked_sub(name.len())?;
            fits(member, below, values, text)
        })?,
        _ => {}
    }
    Some(())
}

struct Compiled {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
    /// The properties that the schema names: an error may repeat no others.
    names: HashSet<String>,
}

impl Compiled {
    fn new(schema: &RawValue) -> Result<Self> {
        if schema.get().len() > MAX_BYTES {
            return Err(refused(format_args!("may have at most {MAX_BYTES} bytes")));
        }
        let mut schema: Value =
            serde_json::from_str(schema.get()).map_err(|_| refused("is not JSON, or nested too deeply"))?;
        let draft4 = draft_is_4(&schema)?;
        // The base URI of references: all references stay inside the schema, so the base has no effect.
        if let Some(members) = schema.as_object_mut() {
            members.remove(if draft4 { "id" } else { "$id" });
        }
        let mut survey = Survey { draft4, ..Survey::default() };
        survey.visit(&schema, "", 1)?;
        let mut expansion = Expansion { root: &schema, survey: &survey, targets: HashMap::new() };
        expansion.measure(&schema, 1)?;
        let names = survey.names;

        let mut compiler = boon::Compiler::new();
        compiler.use_loader(Box::new(NoLoader));
        compiler.enable_format_assertions();
        let mut schemas = boon::Schemas::new();
        compiler.add_resource(URL, schema).map_err(|error| not_a_schema(&error))?;
        let index = compiler.compile(URL, &mut schemas).map_err(|error| not_a_schema(&error))?;
        Ok(Self { schemas, index, names })
    }
}

/// Keeps the library from fetching schemas over the network or reading them from files.
struct NoLoader;

impl boon::UrlLoader for NoLoader {
    fn load(&self, _: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err("not loaded".into())
    }
}

fn draft_is_4(schema: &Value) -> Result<bool> {
    let Value::Object(members) = schema else { return Err(refused("must be a JSON object")) };
    let Some(named) = members.get("$schema") else { return Ok(false) };
    named
        .as_str()
        .map(|url| url.trim_end_matches('#'))
        .and_then(|url| url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")))
        .and_then(|url| url.strip_prefix("json-schema.org/"))
        .and_then(|path| DRAFTS.iter().find(|draft| **draft == path))
        .map(|draft| *draft == "draft-04/schema")
        .ok_or_else(|| refused("names an unknown $schema: use draft 2020-12, 2019-09, 7, 6 or 4"))
}

fn not_a_schema(error: &CompileError) -> Error {
    match error {
        CompileError::ValidationError { src, .. } => {
            let (at, keyword) = failure(src, |_| true);
            refused(format_args!("is not a valid JSON Schema at \"{at}\": {keyword}"))
        }
        CompileError::DuplicateAnchor { .. } => refused("has the same anchor twice"),
        _ => refused("cannot be used as a JSON Schema"),
    }
}

/// A pass over every member of the schema, also over those that no keyword applies: a `$ref` may still point there.
#[derive(Default)]
struct Survey<'a> {
    draft4: bool,
    names: HashSet<String>,
    /// The number of places that each pattern counts for.
    patterns: HashMap<&'a str, usize>,
    anchors: HashMap<&'a str, &'a Value>,
}

impl<'a> Survey<'a> {
    fn visit(&mut self, value: &'a Value, at: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH && (value.is_array() || value.is_object()) {
            return Err(refused(format_args!("may be nested at most {MAX_DEPTH} deep")));
        }
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(i, item)| self.visit(item, &format!("{at}/{i}"), depth + 1)),
            Value::Object(members) => members.iter().try_for_each(|(key, member)| {
                let at = format!("{at}/{}", escaped(key));
                self.keyword(value, key, member, &at)?;
                self.visit(member, &at, depth + 1)
            }),
            _ => Ok(()),
        }
    }

    fn keyword(&mut self, owner: &'a Value, key: &'a str, member: &'a Value, at: &str) -> Result<()> {
        match (key, member) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) if !target.starts_with('#') => {
                Err(refused(format_args!("may only refer to places inside itself (\"#…\"), at \"{at}\"")))
            }
            ("$id", Value::String(_)) => {
                Err(refused(format_args!("may have an $id at its root only, not at \"{at}\"")))
            }
            ("id", Value::String(_)) if self.draft4 => {
                Err(refused(format_args!("may have an id at its root only, not at \"{at}\"")))
            }
            ("$anchor" | "$dynamicAnchor", Value::String(name)) => {
                self.anchors.insert(name, owner);
                Ok(())
            }
            ("pattern", Value::String(pattern)) => self.pattern(pattern, at),
            ("patternProperties", Value::Object(members)) => {
                members.keys().try_for_each(|pattern| self.pattern(pattern, at))
            }
            ("properties", Value::Object(members)) => {
                self.names.extend(members.keys().cloned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn pattern(&mut self, pattern: &'a str, at: &str) -> Result<()> {
        if self.patterns.contains_key(pattern) {
            return Ok(());
        }
        let ascii = |size| {
            regex::bytes::RegexBuilder::new(pattern).unicode(false).size_limit(size).build().map(|_| ())
        };
        let unicode = |size| regex::RegexBuilder::new(pattern).size_limit(size).build().map(|_| ());
        let misread = |result| matches!(result, Err(regex::Error::Syntax(_)));
        if misread(unicode(0)) {
            return Err(refused(format_args!(
                "has a pattern at \"{at}\" that is not supported (look-around and back-references never are)"
            )));
        }
        // In JSON Schema \w and \d match ASCII only. A pattern compiled for ASCII has a hundredth of the size of one
        // compiled for Unicode, which \p{…} needs.
        let by_unicode = misread(ascii(0));
        let fits = |size| if by_unicode { unicode(size * UNICODE) } else { ascii(size) }.is_ok();
        match PATTERN_SIZES.iter().find(|(size, _)| fits(*size)) {
            Some((_, places)) => {
                self.patterns.insert(pattern, *places);
                Ok(())
            }
            None => Err(refused(format_args!("has too large a pattern at \"{at}\""))),
        }
    }
}

/// A pass that follows each `$ref`, to find recursion and to limit long chains and repeated doubling.
struct Expansion<'a> {
    root: &'a Value,
    survey: &'a Survey<'a>,
    /// Places and levels below each target that was met; `None` while the target is being measured.
    targets: HashMap<&'a str, Option<(usize, usize)>>,
}

impl<'a> Expansion<'a> {
    fn measure(&mut self, value: &'a Value, depth: usize) -> Result<(usize, usize)> {
        let (mut places, mut below) = (1, 0);
        let mut add = |(inside, levels): (usize, usize)| {
            places += inside;
            below = below.max(levels);
            if places > MAX_EXPANDED || depth + below > MAX_EXPANDED_DEPTH {
                return Err(refused("is too large once its $refs are followed"));
            }
            Ok(())
        };
        let survey = self.survey;
        let cost = |pattern: &str| survey.patterns.get(pattern).copied().unwrap_or(MAX_EXPANDED);
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| add(self.measure(item, depth + 1)?))?,
            Value::Object(members) => {
                for (key, member) in members {
                    match (key.as_str(), member) {
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) => {
                            add(self.follow(target, depth + 1)?)?;
                        }
                        ("pattern", Value::String(pattern)) => add((cost(pattern), 1))?,
                        ("patternProperties", Value::Object(patterns)) => {
                            add((patterns.keys().map(|pattern| cost(pattern)).sum(), 1))?;
                            add(self.measure(member, depth + 1)?)?;
                        }
                        _ => add(self.measure(member, depth + 1)?)?,
                    }
                }
            }
            _ => {}
        }
        Ok((places, below + 1))
    }

    fn follow(&mut self, target: &'a str, depth: usize) -> Result<(usize, usize)> {
        match self.targets.get(target) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Err(refused(format_args!("refers to itself through \"{target}\""))),
            None if depth > MAX_EXPANDED_DEPTH => {
                return Err(refused("is too large once its $refs are followed"));
            }
            None => {}
        }
        let nowhere = || refused(format_args!("has a $ref that points nowhere: \"{target}\""));
        let fragment = target.strip_prefix('#').ok_or_else(nowhere)?;
        let fragment = percent_decode_str(fragment).decode_utf8().map_err(|_| nowhere())?;
        let place = if fragment.is_empty() || fragment.starts_with('/') {
            self.root.pointer(&fragment)
        } else {
            self.survey.anchors.get(fragment.as_ref()).copied()
        };
        self.targets.insert(target, None);
        let measured = self.measure(place.ok_or_else(nowhere)?, depth)?;
        self.targets.insert(target, Some(measured));
        Ok(measured)
    }
}

fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Returns the JSON pointer and the keyword of the first failure. A property that must not be named is written `*`.
fn failure(error: &ValidationError<'_, '_>, may_name: impl Fn(&str) -> bool) -> (String, String) {
    let mut error = error;
    while let ErrorKind::Group | ErrorKind::Schema { .. } | ErrorKind::Reference { .. } | ErrorKind::AllOf =
        error.kind
        && let Some(cause) = error.causes.first()
    {
        error = cause;
    }
    let at = error.instance_location.tokens.iter().fold(String::new(), |at, token| match token {
        InstanceToken::Item(index) => format!("{at}/{index}"),
        InstanceToken::Prop(name) if may_name(name) => format!("{at}/{}", escaped(name)),
        InstanceToken::Prop(_) => format!("{at}/*"),
    });
    (at, keyword(error))
}

/// Returns the keyword that failed, made of the library's kinds and the schema's own words alone.
fn keyword(error: &ValidationError<'_, '_>) -> String {
    let missing = |keyword: &str, names: &[&str]| {
        names.first().map_or_else(|| keyword.to_owned(), |name| format!("{keyword} (\"{name}\" is missing)"))
    };
    let keyword = match &error.kind {
        ErrorKind::Required { want } => return missing("required", want),
        ErrorKind::DependentRequired { missing: names, .. } => return missing("dependentRequired", names),
        ErrorKind::Dependency { missing: names, .. } => return missing("dependencies", names),
        ErrorKind::FalseSchema => error
            .schema_url
            .rsplit('/')
            .find_map(|part| APPLICATORS.iter().find(|known| **known == part))
            .unwrap_or(&"false"),
        ErrorKind::Type { .. } => "type",
        ErrorKind::Enum { .. } => "enum",
        ErrorKind::Const { .. } => "const",
        ErrorKind::Format { .. } => "format",
        ErrorKind::MinProperties { .. } => "minProperties",
        ErrorKind::MaxProperties { .. } => "maxProperties",
        ErrorKind::AdditionalProperties { .. } => "additionalProperties",
        ErrorKind::PropertyName { .. } => "propertyNames",
        ErrorKind::MinItems { .. } => "minItems",
        ErrorKind::MaxItems { .. } => "maxItems",
        ErrorKind::Contains => "contains",
        ErrorKind::MinContains { .. } => "minContains",
        ErrorKind::MaxContains { .. } => "maxContains",
        ErrorKind::UniqueItems { .. } => "uniqueItems",
        ErrorKind::AdditionalItems { .. } => "additionalItems",
        ErrorKind::MinLength { .. } => "minLength",
        ErrorKind::MaxLength { .. } => "maxLength",
        ErrorKind::Pattern { .. } => "pattern",
        ErrorKind::Minimum { .. } => "minimum",
        ErrorKind::Maximum { .. } => "maximum",
        ErrorKind::ExclusiveMinimum { .. } => "exclusiveMinimum",
        ErrorKind::ExclusiveMaximum { .. } => "exclusiveMaximum",
        ErrorKind::MultipleOf { .. } => "multipleOf",
        ErrorKind::Not => "not",
        ErrorKind::AllOf => "allOf",
        ErrorKind::AnyOf => "anyOf",
        ErrorKind::OneOf(_) => "oneOf",
        // Kinds of features that are not switched on, or that `Expansion` rules out.
        _ => "schema",
    };
    keyword.to_owned()
}

#[cfg(test)]
mod tests;
