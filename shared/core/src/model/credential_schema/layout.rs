//! Finds the schemas inside a schema, and the targets of its references.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::draft::Draft;
use super::keyword::{applicator, subschemas};

/// The schemas inside a schema.
pub(super) struct Layout<'s> {
    /// All schemas that are objects.
    pub(super) schemas: Vec<&'s Map<String, Value>>,
    /// The target of each reference; the key is the address of the reference's value.
    pub(super) targets: HashMap<*const Value, Target<'s>>,
    /// Targets outside of all places where a keyword expects a schema.
    pub(super) strays: Vec<&'s Value>,
}

/// What a reference points at.
pub(super) struct Target<'s> {
    pub(super) schema: &'s Value,
    /// The keyword that an error names if the schema is `false`.
    pub(super) applicator: &'static str,
}

/// Why a schema cannot be used.
pub(super) enum Flaw {
    SameAnchorTwice,
    Unusable,
}

struct Search<'s> {
    draft: Draft,
    known: HashSet<*const Value>,
    schemas: Vec<&'s Map<String, Value>>,
    anchors: HashMap<&'s str, &'s Value>,
}

impl<'s> Layout<'s> {
    pub(super) fn new(root: &'s Value, draft: Draft) -> Result<Self, Flaw> {
        let mut search =
            Search { draft, known: HashSet::new(), schemas: Vec::new(), anchors: HashMap::new() };
        search.add(root)?;
        let (mut targets, mut strays, mut by_anchor) = (HashMap::new(), Vec::new(), Vec::new());
        let mut next = 0;
        while let Some(schema) = search.schemas.get(next) {
            next += 1;
            for reference in references(schema, draft) {
                let Some(pointer) = pointer(reference) else {
                    by_anchor.push(reference);
                    continue;
                };
                let target = root.pointer(&pointer).ok_or(Flaw::Unusable)?;
                let applicator = pointer.rsplit('/').find_map(applicator).unwrap_or("false");
                targets.insert(std::ptr::from_ref(reference), Target { schema: target, applicator });
                if !search.known.contains(&std::ptr::from_ref(target)) {
                    strays.push(target);
                    search.add(target)?;
                }
            }
        }
        for reference in by_anchor {
            let anchor = fragment(reference).and_then(|anchor| search.anchors.get(anchor.as_str()).copied());
            let schema = anchor.ok_or(Flaw::Unusable)?;
            targets.insert(std::ptr::from_ref(reference), Target { schema, applicator: "false" });
        }
        Ok(Self { schemas: search.schemas, targets, strays })
    }
}

impl<'s> Search<'s> {
    /// Adds `schema` and all schemas inside.
    fn add(&mut self, schema: &'s Value) -> Result<(), Flaw> {
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            let is_new = self.known.insert(std::ptr::from_ref(schema));
            let Value::Object(members) = schema else { continue };
            if !is_new {
                continue;
            }
            self.schemas.push(members);
            for (keyword, since) in [("$anchor", Draft::V2019), ("$dynamicAnchor", Draft::V2020)] {
                let Some(Value::String(name)) = members.get(keyword) else { continue };
                if self.draft < since {
                    continue;
                }
                let before = self.anchors.insert(name, schema);
                if before.is_some_and(|before| !std::ptr::eq(before, schema)) {
                    return Err(Flaw::SameAnchorTwice);
                }
            }
            open.extend(subschemas(members, self.draft));
        }
        Ok(())
    }
}

fn references(schema: &Map<String, Value>, draft: Draft) -> impl Iterator<Item = &Value> {
    [("$ref", Draft::V4), ("$recursiveRef", Draft::V2019), ("$dynamicRef", Draft::V2020)]
        .into_iter()
        .filter(move |(_, since)| *since <= draft)
        .filter_map(|(name, _)| schema.get(name))
        .filter(|reference| reference.is_string())
}

fn fragment(reference: &Value) -> Option<String> {
    let fragment = percent_encoding::percent_decode_str(reference.as_str()?.strip_prefix('#')?);
    fragment.decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Returns the JSON pointer that `reference` consists of, or `None` if it is an anchor.
fn pointer(reference: &Value) -> Option<String> {
    fragment(reference).filter(|fragment| fragment.is_empty() || fragment.starts_with('/'))
}
