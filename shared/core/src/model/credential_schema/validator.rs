//! Checks a value against a JSON Schema of drafts 4 to 2020-12 that refers only to places inside itself, and never to
//! itself.
//!
//! It is our own because every library brings a regular-expression engine that is larger in WASM than a whole function.
//! The schema is interpreted as it stands, rule by rule; the first failure ends the check.

mod arrays;
mod combined;
mod objects;
mod scalars;

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::draft::Draft;
use super::format;
use super::keyword::{Keyword, applicator};
use super::layout::Target;
use super::pattern::Pattern;
use scalars::{equal, is_type};

/// A schema, ready to be applied.
pub(super) struct Schema<'s> {
    pub(super) root: &'s Value,
    pub(super) draft: Draft,
    /// The compiled form of each pattern.
    pub(super) patterns: HashMap<&'s str, Pattern>,
    /// The target of each reference; the key is the address of the reference's value.
    pub(super) targets: HashMap<*const Value, Target<'s>>,
}

/// Why a value does not match. Borrows all names, because most failures are dropped at once, as those inside `anyOf`.
pub(super) struct Failure<'s, 'v> {
    pub(super) at: Vec<Step<'v>>,
    pub(super) keyword: &'static str,
    /// The property that `keyword` requires.
    pub(super) missing: Option<&'s str>,
}

/// A step from a value to one inside.
#[derive(Clone, Copy)]
pub(super) enum Step<'v> {
    Item(usize),
    Member(&'v str),
}

impl<'s> Schema<'s> {
    /// Checks that `value` matches the schema.
    pub(super) fn validate<'v>(&self, value: &'v Value) -> Result<(), Failure<'s, 'v>> {
        self.validate_with(self.root, value)
    }

    /// Checks that `value` matches `schema`, a part of this one.
    fn validate_with<'v>(&self, schema: &'s Value, value: &'v Value) -> Result<(), Failure<'s, 'v>> {
        Check { schema: self, value, place: Place::Root, applicator: "false", is_asked: false }
            .run(schema)
            .map(|_| ())
    }
}

/// The place of a value inside the value that is checked.
#[derive(Clone, Copy)]
enum Place<'p, 'v> {
    Root,
    Below(&'p Place<'p, 'v>, Step<'v>),
}

impl<'v> Place<'_, 'v> {
    fn steps(&self) -> Vec<Step<'v>> {
        let (mut steps, mut place) = (Vec::new(), self);
        while let Place::Below(above, step) = place {
            steps.push(*step);
            place = above;
        }
        steps.reverse();
        steps
    }
}

/// Members and items that no keyword has evaluated yet. Empty unless `unevaluatedProperties` or `unevaluatedItems` needs
/// them.
#[derive(Default)]
struct Unevaluated<'v> {
    members: BTreeSet<&'v str>,
    items: BTreeSet<usize>,
}

impl Unevaluated<'_> {
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.items.is_empty()
    }

    fn keep_common(&mut self, other: &Self) {
        self.members.retain(|name| other.members.contains(name));
        self.items.retain(|index| other.items.contains(index));
    }
}

/// A value that is checked, and what the check of a schema needs to know.
#[derive(Clone, Copy)]
struct Check<'c, 's, 'v> {
    schema: &'c Schema<'s>,
    value: &'v Value,
    place: Place<'c, 'v>,
    /// The keyword that an error names if the schema is `false`.
    applicator: &'static str,
    /// `true` if an `unevaluatedProperties` or `unevaluatedItems` of an enclosing schema needs to know what is evaluated.
    is_asked: bool,
}

/// The outcome of a rule.
type Outcome<'s, 'v> = Result<(), Failure<'s, 'v>>;

impl<'s, 'v> Check<'_, 's, 'v> {
    fn run(&self, schema: &'s Value) -> Result<Unevaluated<'v>, Failure<'s, 'v>> {
        let members = match schema {
            Value::Object(members) if !members.is_empty() => members,
            Value::Bool(false) => return Err(self.failure(self.applicator)),
            _ => return Ok(self.all_unevaluated(&Map::new())),
        };
        let mut open = self.all_unevaluated(members);
        for (keyword, rule) in Keyword::rules(members, self.schema.draft) {
            self.rule(keyword, rule, members, &mut open)?;
        }
        Ok(open)
    }

    fn rule(
        &self,
        keyword: Keyword,
        rule: &'s Value,
        members: &'s Map<String, Value>,
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        match keyword {
            Keyword::Type => self.must(is_type(self.value, rule), "type"),
            Keyword::Const => self.must(equal(self.value, rule), "const"),
            Keyword::Enum => {
                let is_one = |values: &Vec<Value>| values.iter().any(|one| equal(one, self.value));
                self.must(rule.as_array().is_none_or(is_one), "enum")
            }
            Keyword::Format => match (rule, self.value) {
                (Value::String(name), Value::String(text)) => self.must(format::fits(name, text), "format"),
                _ => Ok(()),
            },
            Keyword::Ref | Keyword::RecursiveRef | Keyword::DynamicRef => self.reference(rule, open),
            Keyword::Not | Keyword::AllOf | Keyword::AnyOf | Keyword::OneOf | Keyword::If => {
                self.combined(keyword, rule, members, open)
            }
            Keyword::UnevaluatedProperties | Keyword::UnevaluatedItems => {
                self.unevaluated(keyword, rule, open)
            }
            _ => match self.value {
                Value::Object(object) => self.object(keyword, rule, members, object, open),
                Value::Array(array) => self.array(keyword, rule, members, array, open),
                Value::String(text) => self.string(keyword, rule, text),
                Value::Number(number) => self.number(keyword, rule, members, number),
                _ => Ok(()),
            },
        }
    }

    fn must(&self, fits: bool, keyword: &'static str) -> Outcome<'s, 'v> {
        if fits { Ok(()) } else { Err(self.failure(keyword)) }
    }

    fn failure(&self, keyword: &'static str) -> Failure<'s, 'v> {
        Failure { at: self.place.steps(), keyword, missing: None }
    }

    /// Returns this check for a subschema that `keyword` applies.
    fn under(&self, keyword: &'static str) -> Self {
        Self { applicator: applicator(keyword).unwrap_or(self.applicator), ..*self }
    }

    /// Checks the same value against `schema`, which `keyword` applies.
    fn same(&self, keyword: &'static str, schema: &'s Value, open: &mut Unevaluated<'v>) -> Outcome<'s, 'v> {
        let found = Self { is_asked: !open.is_empty(), ..self.under(keyword) }.run(schema)?;
        open.keep_common(&found);
        Ok(())
    }

    /// Checks `value`, which is one step below this value, against `schema`, which `keyword` applies.
    fn below_it(
        &self,
        keyword: &'static str,
        schema: &'s Value,
        step: Step<'v>,
        value: &'v Value,
    ) -> Outcome<'s, 'v> {
        let (place, applicator) = (Place::Below(&self.place, step), self.under(keyword).applicator);
        Check { schema: self.schema, value, place, applicator, is_asked: false }.run(schema).map(|_| ())
    }

    fn reference(&self, rule: &'s Value, open: &mut Unevaluated<'v>) -> Outcome<'s, 'v> {
        if !rule.is_string() {
            return Ok(());
        }
        let Some(target) = self.schema.targets.get(&std::ptr::from_ref(rule)) else {
            return Err(self.failure("schema"));
        };
        Self { applicator: target.applicator, ..*self }.same("$ref", target.schema, open)
    }
}
