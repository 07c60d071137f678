//! The rules for strings and numbers, types, and equality as JSON Schema defines it.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

use super::{Check, Outcome};
use crate::model::credential_schema::keyword::Keyword;

impl<'s, 'v> Check<'_, 's, 'v> {
    pub(super) fn string(&self, keyword: Keyword, rule: &'s Value, text: &str) -> Outcome<'s, 'v> {
        let length = || text.chars().count();
        match keyword {
            Keyword::MinLength => self.must(count(rule).is_none_or(|least| length() >= least), "minLength"),
            Keyword::MaxLength => self.must(count(rule).is_none_or(|most| length() <= most), "maxLength"),
            Keyword::Pattern => {
                self.must(rule.as_str().is_none_or(|pattern| self.matches(pattern, text)), "pattern")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn matches(&self, pattern: &str, text: &str) -> bool {
        self.schema.patterns.get(pattern).is_some_and(|pattern| pattern.is_match(text))
    }

    pub(super) fn number(
        &self,
        keyword: Keyword,
        rule: &'s Value,
        members: &'s Map<String, Value>,
        number: &Number,
    ) -> Outcome<'s, 'v> {
        // In draft 4, exclusiveMinimum and exclusiveMaximum are booleans.
        let is_exclusive = |name| members.get(name) == Some(&Value::Bool(true));
        let (limit, name) = match (keyword, rule) {
            (Keyword::ExclusiveMinimum, Value::Bool(true)) => (members.get("minimum"), "exclusiveMinimum"),
            (Keyword::ExclusiveMaximum, Value::Bool(true)) => (members.get("maximum"), "exclusiveMaximum"),
            (Keyword::Minimum, _) if is_exclusive("exclusiveMinimum") => (None, "minimum"),
            (Keyword::Maximum, _) if is_exclusive("exclusiveMaximum") => (None, "maximum"),
            (Keyword::Minimum, _) => (Some(rule), "minimum"),
            (Keyword::Maximum, _) => (Some(rule), "maximum"),
            (Keyword::ExclusiveMinimum, _) => (Some(rule), "exclusiveMinimum"),
            (Keyword::ExclusiveMaximum, _) => (Some(rule), "exclusiveMaximum"),
            (Keyword::MultipleOf, _) => (Some(rule), "multipleOf"),
            _ => return Ok(()),
        };
        let (Some(limit), Some(number)) = (limit.and_then(Value::as_f64), number.as_f64()) else {
            return Ok(());
        };
        let fits = match name {
            "minimum" => number >= limit,
            "maximum" => number <= limit,
            "exclusiveMinimum" => number > limit,
            "exclusiveMaximum" => number < limit,
            _ => is_whole(number / limit),
        };
        self.must(fits, name)
    }
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0
}

/// Returns the value of a keyword that counts, such as `maxLength`.
pub(super) fn count(rule: &Value) -> Option<usize> {
    let Value::Number(number) = rule else { return None };
    if let Some(count) = number.as_u64() {
        return Some(usize::try_from(count).unwrap_or(usize::MAX));
    }
    let number = number.as_f64().filter(|number| *number >= 0.0 && is_whole(*number))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // whole and positive; the cast saturates
    Some(number as usize)
}

/// Returns `true` if `value` has the type, or one of the types, that `rule` names.
pub(super) fn is_type(value: &Value, rule: &Value) -> bool {
    let is = |name: &Value| match (name.as_str(), value) {
        (Some("null"), Value::Null)
        | (Some("boolean"), Value::Bool(_))
        | (Some("number"), Value::Number(_))
        | (Some("string"), Value::String(_))
        | (Some("array"), Value::Array(_))
        | (Some("object"), Value::Object(_)) => true,
        (Some("integer"), Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(is_whole)
        }
        _ => false,
    };
    match rule {
        Value::Array(names) => names.is_empty() || names.iter().any(is),
        name => is(name),
    }
}

/// Returns `true` if the values are equal: 1 and 1.0 are.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => equal_numbers(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has_same =
                |(name, one): (&String, &Value)| other.get(name).is_some_and(|other| equal(one, other));
            one.len() == other.len() && one.iter().all(has_same)
        }
        _ => one == other,
    }
}

#[allow(clippy::float_cmp)] // JSON Schema asks for equal values, not near ones
fn equal_numbers(one: &Number, other: &Number) -> bool {
    match (one.as_u64(), other.as_u64(), one.as_i64(), other.as_i64()) {
        (Some(one), Some(other), ..) => one == other,
        (.., Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

/// Returns a text that is the same for equal values, and for no others.
pub(super) fn equality_key(value: &Value) -> String {
    let mut key = String::new();
    write_key(value, &mut key);
    key
}

fn write_key(value: &Value, key: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation)] // checked to be within
            Some(number) if is_whole(number) && number.abs() < 9e18 => write!(key, "{}", number as i64),
            other => write!(key, "{other:?}"),
        },
        Value::Array(items) => {
            key.push('[');
            for item in items {
                write_key(item, key);
                key.push(',');
            }
            write!(key, "]")
        }
        Value::Object(members) => {
            key.push('{');
            for (name, member) in members {
                let _ = write!(key, "{name:?}:");
                write_key(member, key);
                key.push(',');
            }
            write!(key, "}}")
        }
        Value::String(text) => write!(key, "{text:?}"),
        other => write!(key, "{other}"),
    };
}
