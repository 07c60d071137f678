//! The rules for objects.

use serde_json::{Map, Value};

use super::scalars::count;
use super::{Check, Outcome, Step, Unevaluated};
use crate::model::credential_schema::keyword::Keyword;

impl<'s, 'v> Check<'_, 's, 'v> {
    pub(super) fn object(
        &self,
        keyword: Keyword,
        rule: &'s Value,
        members: &'s Map<String, Value>,
        object: &'v Map<String, Value>,
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        match keyword {
            Keyword::MinProperties => {
                self.must(count(rule).is_none_or(|least| object.len() >= least), "minProperties")
            }
            Keyword::MaxProperties => {
                self.must(count(rule).is_none_or(|most| object.len() <= most), "maxProperties")
            }
            Keyword::Required => self.requires(rule, object, "required"),
            Keyword::Dependencies => self.dependencies(rule, object, open),
            Keyword::Properties => self.properties(members, object, open),
            Keyword::PropertyNames => object.keys().try_for_each(|name| {
                let fits = self.schema.validate_with(rule, &Value::String(name.clone())).is_ok();
                // Without the place, which would be a name that the user chose.
                if fits {
                    Ok(())
                } else {
                    Err(super::Failure { at: Vec::new(), ..self.failure("propertyNames") })
                }
            }),
            Keyword::DependentSchemas => triggered(rule, object)
                .try_for_each(|(_, dependent)| self.same("dependentSchemas", dependent, open)),
            Keyword::DependentRequired => triggered(rule, object)
                .try_for_each(|(_, names)| self.requires(names, object, "dependentRequired")),
            _ => Ok(()),
        }
    }

    fn requires(
        &self,
        names: &'s Value,
        object: &Map<String, Value>,
        keyword: &'static str,
    ) -> Outcome<'s, 'v> {
        let mut names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
        names
            .find(|name| !object.contains_key(*name))
            .map_or(Ok(()), |name| Err(super::Failure { missing: Some(name), ..self.failure(keyword) }))
    }

    fn dependencies(
        &self,
        rule: &'s Value,
        object: &'v Map<String, Value>,
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        triggered(rule, object).try_for_each(|(_, dependent)| match dependent {
            Value::Array(_) => self.requires(dependent, object, "dependencies"),
            _ => self.same("dependencies", dependent, open),
        })
    }

    fn properties(
        &self,
        members: &'s Map<String, Value>,
        object: &'v Map<String, Value>,
        open: &mut Unevaluated<'v>,
    ) -> Outcome<'s, 'v> {
        let properties = members.get("properties").and_then(Value::as_object);
        let patterns = members.get("patternProperties").and_then(Value::as_object);
        let additional = members.get("additionalProperties");
        let mut has_forbidden = false;
        for (name, value) in object {
            let step = Step::Member(name);
            let mut is_named = false;
            if let Some(schema) = properties.and_then(|properties| properties.get(name)) {
                is_named = true;
                self.below_it("properties", schema, step, value)?;
            }
            for (pattern, schema) in patterns.into_iter().flatten() {
                if self.matches(pattern, name) {
                    is_named = true;
                    self.below_it("patternProperties", schema, step, value)?;
                }
            }
            match additional {
                Some(Value::Bool(false)) if !is_named => has_forbidden = true,
                Some(schema) if !is_named => self.below_it("additionalProperties", schema, step, value)?,
                _ => {}
            }
            if is_named || additional.is_some() {
                open.members.remove(name.as_str());
            }
        }
        self.must(!has_forbidden, "additionalProperties")
    }
}

/// Returns the members of `rule` whose names `object` has, too.
fn triggered<'s>(
    rule: &'s Value,
    object: &Map<String, Value>,
) -> impl Iterator<Item = (&'s String, &'s Value)> {
    rule.as_object().into_iter().flatten().filter(|(name, _)| object.contains_key(*name))
}
