//! An operator's `credentialSchema`: which JSON Schemas are accepted, and whether a pasted credential matches one.
//!
//! The operator writes the schema, a user pastes the secret. No error here quotes what the user sent, and neither the
//! schema nor the secret can make a check run long or recurse deeply.

mod draft;
mod format;
mod keyword;
mod layout;
mod pattern;
mod validator;

use std::collections::{HashMap, HashSet};

use kernel::{Error, Result};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::value::RawValue;

use draft::Draft;
use layout::{Flaw, Layout};
use pattern::{Pattern, Refusal};
use validator::{Failure, Schema, Step};

const MAX_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 32;
/// Most places (JSON values), and most levels, of a schema in which each `$ref` is replaced by its target.
const MAX_EXPANDED: usize = 4096;
const MAX_EXPANDED_DEPTH: usize = 64;
const MAX_INSTANCE_VALUES: usize = 1024;
/// Most bytes of all strings and names of a credential: more than any upstream accepts in a header.
const MAX_INSTANCE_TEXT: usize = 16 * 1024;
/// Checks that `schema` can be used as a `credentialSchema`: a self-contained JSON Schema, draft 2020-12 unless
/// `$schema` names another, that does not refer to itself.
pub fn check(schema: &RawValue) -> Result<()> {
    with_schema(schema, |_, _| Ok(()))
}

/// Checks that `instance`, a pasted credential, matches `schema`. The error names the place and the keyword that
/// failed, but neither a value nor a property that the schema does not name.
pub fn validate(schema: &RawValue, instance: &Value) -> Result<()> {
    with_schema(schema, |schema, names| {
        let (mut values, mut text) = (MAX_INSTANCE_VALUES, MAX_INSTANCE_TEXT);
        if fits(instance, MAX_DEPTH, &mut values, &mut text).is_none() {
            return Err(Error::invalid("credentials have too many, too long or too deeply nested values"));
        }
        schema.validate(instance).map_err(|failure| {
            let told = told(&failure, |name| names.contains(name));
            Error::invalid(format!("credentials do not match the credentialSchema {told}"))
        })
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

/// Reads the schema `text` and calls `with` with it and with the properties that the schema names: an error may repeat
/// no others.
fn with_schema(
    text: &RawValue,
    with: impl FnOnce(&Schema<'_>, &HashSet<String>) -> Result<()>,
) -> Result<()> {
    if text.get().len() > MAX_BYTES {
        return Err(refused(format_args!("may have at most {MAX_BYTES} bytes")));
    }
    let mut schema: Value =
        serde_json::from_str(text.get()).map_err(|_| refused("is not JSON, or nested too deeply"))?;
    let Value::Object(members) = &mut schema else { return Err(refused("must be a JSON object")) };
    let draft = Draft::of(members)
        .ok_or_else(|| refused("names an unknown $schema: use draft 2020-12, 2019-09, 7, 6 or 4"))?;
    // The base URI of references: all references stay inside the schema, so the base has no effect.
    members.remove(if draft == Draft::V4 { "id" } else { "$id" });
    let mut survey = Survey { is_draft_4: draft == Draft::V4, ..Survey::default() };
    survey.visit(&schema, "", 1)?;
    let mut expansion = Expansion { root: &schema, survey: &survey, targets: HashMap::new() };
    expansion.measure(&schema, 1)?;

    let layout = Layout::new(&schema, draft).map_err(|flaw| unusable(&flaw))?;
    check_against_metaschema(draft, std::iter::once(&schema).chain(layout.strays.iter().copied()))?;
    with(&compiled(&schema, draft, layout)?, &survey.names)
}

/// Checks that each of `schemas` is a schema of `draft`.
fn check_against_metaschema<'s>(draft: Draft, mut schemas: impl Iterator<Item = &'s Value>) -> Result<()> {
    let root: Value = serde_json::from_str(draft.metaschema()).map_err(|_| unusable(&Flaw::Unusable))?;
    let layout = Layout::new(&root, draft).map_err(|flaw| unusable(&flaw))?;
    let metaschema = compiled(&root, draft, layout)?;
    schemas.try_for_each(|schema| {
        metaschema.validate(schema).map_err(|failure| {
            refused(format_args!("is not a valid JSON Schema {}", told(&failure, |_| true)))
        })
    })
}

/// Returns the schema `root` with its patterns compiled.
fn compiled<'s>(root: &'s Value, draft: Draft, layout: Layout<'s>) -> Result<Schema<'s>> {
    let mut patterns = HashMap::new();
    for schema in layout.schemas {
        let by_name = schema.get("patternProperties").and_then(Value::as_object);
        let by_name = by_name.into_iter().flat_map(|members| members.keys().map(String::as_str));
        for pattern in schema.get("pattern").and_then(Value::as_str).into_iter().chain(by_name) {
            if !patterns.contains_key(pattern) {
                let compiled = Pattern::new(pattern).map_err(|_| unusable(&Flaw::Unusable))?;
                patterns.insert(pattern, compiled);
            }
        }
    }
    Ok(Schema { root, draft, patterns, targets: layout.targets })
}

fn unusable(flaw: &Flaw) -> Error {
    match flaw {
        Flaw::SameAnchorTwice => refused("has the same anchor twice"),
        Flaw::Unusable => refused("cannot be used as a JSON Schema"),
    }
}

/// A pass over every member of the schema, also over those that no keyword applies: a `$ref` may still point there.
#[derive(Default)]
struct Survey<'a> {
    is_draft_4: bool,
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
            ("id", Value::String(_)) if self.is_draft_4 => {
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
        match pattern::places(pattern) {
            Ok(places) => {
                self.patterns.insert(pattern, places);
                Ok(())
            }
            Err(Refusal::Unsupported) => Err(refused(format_args!(
                "has a pattern at \"{at}\" that is not supported (look-around and back-references never are)"
            ))),
            Err(Refusal::TooLarge) => Err(refused(format_args!("has too large a pattern at \"{at}\""))),
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

/// Returns the JSON pointer and the keyword of a failure, made of the schema's own words alone. A property that must not
/// be named is written `*`.
fn told(failure: &Failure<'_, '_>, may_name: impl Fn(&str) -> bool) -> String {
    let at = failure.at.iter().fold(String::new(), |at, step| match step {
        Step::Item(index) => format!("{at}/{index}"),
        Step::Member(name) if may_name(name) => format!("{at}/{}", escaped(name)),
        Step::Member(_) => format!("{at}/*"),
    });
    let keyword = failure.keyword;
    match failure.missing {
        Some(name) => format!("at \"{at}\": {keyword} (\"{name}\" is missing)"),
        None => format!("at \"{at}\": {keyword}"),
    }
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
