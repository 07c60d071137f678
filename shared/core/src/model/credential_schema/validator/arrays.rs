//! The rules for arrays.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::scalars::{count, equality_key};
use super::{Check, Outcome, Step, Unevaluated};
use crate::model::credential_schema::draft::Draft;
use crate::model::credential_schema::keyword::Keyword;

impl<'s, 'v> Check<'_, 's, 'v> {
    pub(super) fn array(
        &self,
        keyword: Keyword,
        rule: &'s Value,
        members: &'s Map<String, Value>,
        array: &'v [Value],
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        match keyword {
            Keyword::MinItems => self.must(count(rule).is_none_or(|least| array.len() >= least), "minItems"),
            Keyword::MaxItems => self.must(count(rule).is_none_or(|most| array.len() <= most), "maxItems"),
            Keyword::UniqueItems => {
                let mut seen = BTreeSet::new();
                let mut is_new = |item| seen.insert(equality_key(item));
                self.must(rule != &Value::Bool(true) || array.iter().all(&mut is_new), "uniqueItems")
            }
            Keyword::Items => self.items(members, array),
            Keyword::Contains => self.contains(members, array, open),
            _ => Ok(()),
        }
    }

    fn items(&self, members: &'s Map<String, Value>, array: &'v [Value]) -> Outcome<'s, 'v> {
        let is_old = self.schema.draft < Draft::V2020;
        let items = members.get("items");
        let (listed, (others, keyword)) = match items.and_then(Value::as_array) {
            Some(list) if is_old => (Some(list), (members.get("additionalItems"), "additionalItems")),
            _ if is_old => (None, (items, "items")),
            _ => (members.get("prefixItems").and_then(Value::as_array), (items, "items")),
        };
        let listed: &[Value] = listed.map_or(&[], Vec::as_slice);
        let name = if is_old { "items" } else { "prefixItems" };
        for (index, (item, schema)) in array.iter().zip(listed).enumerate() {
            self.below_it(name, schema, Step::Item(index), item)?;
        }
        let Some(schema) = others else { return Ok(()) };
        if keyword == "additionalItems" && schema == &Value::Bool(false) {
            return self.must(array.len() <= listed.len(), keyword);
        }
        let mut rest = array.iter().enumerate().skip(listed.len());
        rest.try_for_each(|(index, item)| self.below_it(keyword, schema, Step::Item(index), item))
    }

    fn contains(
        &self,
        members: &'s Map<String, Value>,
        array: &'v [Value],
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        let Some(schema) = members.get("contains") else { return Ok(()) };
        let mut found = 0;
        for (index, item) in array.iter().enumerate() {
            if self.below_it("contains", schema, Step::Item(index), item).is_ok() {
                found += 1;
                if self.schema.draft >= Draft::V2020 {
                    open.items.remove(&index);
                }
            }
        }
        let bound =
            |name| (self.schema.draft >= Draft::V2019).then(|| members.get(name).and_then(count)).flatten();
        match bound("minContains") {
            Some(least) => self.must(found >= least, "minContains")?,
            None => self.must(found > 0, "contains")?,
        }
        self.must(bound("maxContains").is_none_or(|most| found <= most), "maxContains")
    }
}
