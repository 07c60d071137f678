//! The rules that apply several schemas to one value, and those for what the others leave unevaluated.

use serde_json::{Map, Value};

use super::{Check, Outcome, Step, Unevaluated};
use crate::model::credential_schema::draft::Draft;
use crate::model::credential_schema::keyword::Keyword;

impl<'s, 'v> Check<'_, 's, 'v> {
    pub(super) fn combined(
        &self,
        keyword: Keyword,
        rule: &'s Value,
        members: &'s Map<String, Value>,
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        let several: &[Value] = rule.as_array().map_or(&[], Vec::as_slice);
        match keyword {
            Keyword::AllOf => several.iter().try_for_each(|schema| self.same("allOf", schema, open)),
            Keyword::AnyOf => self.any_of(several, open),
            Keyword::OneOf => self.one_of(several, open),
            Keyword::Not => self.must(self.same("not", rule, open).is_err(), "not"),
            _ => {
                let then = if self.same("if", rule, open).is_ok() { "then" } else { "else" };
                members.get(then).map_or(Ok(()), |schema| self.same(then, schema, open))
            }
        }
    }

    fn any_of(&self, several: &'s [Value], open: &mut Unevaluated<'v>) -> Outcome<'s, 'v> {
        // If there is one alternative, its failure says more than `anyOf`.
        if let [only] = several {
            return self.same("anyOf", only, open);
        }
        let mut fits = several.is_empty();
        for schema in several {
            fits |= self.same("anyOf", schema, open).is_ok();
            // Every alternative that matches evaluates something.
            if fits && open.is_empty() {
                break;
            }
        }
        self.must(fits, "anyOf")
    }

    fn one_of(&self, several: &'s [Value], open: &mut Unevaluated<'v>) -> Outcome<'s, 'v> {
        if let [only] = several {
            return self.same("oneOf", only, open);
        }
        let mut fitting = several.iter().filter(|schema| self.same("oneOf", schema, open).is_ok());
        let is_one = fitting.next().is_some() && fitting.next().is_none();
        self.must(is_one || several.is_empty(), "oneOf")
    }

    pub(super) fn unevaluated(
        &self,
        keyword: Keyword,
        rule: &'s Value,
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        match (keyword, self.value) {
            (Keyword::UnevaluatedProperties, Value::Object(object)) => {
                for name in std::mem::take(&mut open.members) {
                    if let Some(value) = object.get(name) {
                        self.below_it("unevaluatedProperties", rule, Step::Member(name), value)?;
                    }
                }
            }
            (Keyword::UnevaluatedItems, Value::Array(array)) => {
                for index in std::mem::take(&mut open.items) {
                    if let Some(item) = array.get(index) {
                        self.below_it("unevaluatedItems", rule, Step::Item(index), item)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns what the schema `members` may leave unevaluated, if a keyword needs to know.
    pub(super) fn all_unevaluated(&self, members: &Map<String, Value>) -> Unevaluated<'v> {
        let draft = self.schema.draft;
        let asks = |name| self.is_asked || draft >= Draft::V2019 && members.contains_key(name);
        let mut open = Unevaluated::default();
        match self.value {
            Value::Object(object)
                if asks("unevaluatedProperties") && !members.contains_key("additionalProperties") =>
            {
                open.members.extend(object.keys().map(String::as_str));
            }
            Value::Array(array) if asks("unevaluatedItems") => {
                let list = if draft < Draft::V2020 { "items" } else { "prefixItems" };
                let listed = members.get(list).and_then(Value::as_array).map(Vec::len);
                let has_rest = match (draft < Draft::V2020, listed) {
                    (true, Some(_)) => members.contains_key("additionalItems"),
                    _ => members.contains_key("items"),
                };
                if !has_rest {
                    open.items.extend(listed.unwrap_or(0)..array.len());
                }
            }
            _ => {}
        }
        open
    }
}
