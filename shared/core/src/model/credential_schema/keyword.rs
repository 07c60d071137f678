//! The keywords of JSON Schema that restrict a value, in the order in which they are applied: an error names the first that
//! fails.

use serde_json::{Map, Value};

use super::draft::Draft;

/// A rule of a schema: a keyword, or several that work together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keyword {
    Type,
    Const,
    Enum,
    Format,
    Ref,
    MinProperties,
    MaxProperties,
    Required,
    Dependencies,
    /// `properties`, `patternProperties` and `additionalProperties`.
    Properties,
    PropertyNames,
    DependentSchemas,
    DependentRequired,
    MinItems,
    MaxItems,
    UniqueItems,
    /// `prefixItems`, `items` and `additionalItems`.
    Items,
    /// `contains`, `minContains` and `maxContains`.
    Contains,
    MinLength,
    MaxLength,
    Pattern,
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
    MultipleOf,
    RecursiveRef,
    DynamicRef,
    Not,
    AllOf,
    AnyOf,
    OneOf,
    /// `if`, `then` and `else`.
    If,
    UnevaluatedProperties,
    UnevaluatedItems,
}

impl Keyword {
    /// Returns the rule that the keyword `name` belongs to, and the first draft that has the keyword.
    fn named(name: &str) -> Option<(Self, Draft)> {
        use Draft::{V4, V6, V7, V2019, V2020};
        Some(match name {
            "type" => (Self::Type, V4),
            "const" => (Self::Const, V6),
            "enum" => (Self::Enum, V4),
            "format" => (Self::Format, V4),
            "$ref" => (Self::Ref, V4),
            "minProperties" => (Self::MinProperties, V4),
            "maxProperties" => (Self::MaxProperties, V4),
            "required" => (Self::Required, V4),
            "dependencies" => (Self::Dependencies, V4),
            "properties" | "patternProperties" | "additionalProperties" => (Self::Properties, V4),
            "propertyNames" => (Self::PropertyNames, V6),
            "dependentSchemas" => (Self::DependentSchemas, V2019),
            "dependentRequired" => (Self::DependentRequired, V2019),
            "minItems" => (Self::MinItems, V4),
            "maxItems" => (Self::MaxItems, V4),
            "uniqueItems" => (Self::UniqueItems, V4),
            "items" => (Self::Items, V4),
            "prefixItems" => (Self::Items, V2020),
            "contains" => (Self::Contains, V6),
            "minLength" => (Self::MinLength, V4),
            "maxLength" => (Self::MaxLength, V4),
            "pattern" => (Self::Pattern, V4),
            "minimum" => (Self::Minimum, V4),
            "maximum" => (Self::Maximum, V4),
            "exclusiveMinimum" => (Self::ExclusiveMinimum, V4),
            "exclusiveMaximum" => (Self::ExclusiveMaximum, V4),
            "multipleOf" => (Self::MultipleOf, V4),
            "$recursiveRef" => (Self::RecursiveRef, V2019),
            "$dynamicRef" => (Self::DynamicRef, V2020),
            "not" => (Self::Not, V4),
            "allOf" => (Self::AllOf, V4),
            "anyOf" => (Self::AnyOf, V4),
            "oneOf" => (Self::OneOf, V4),
            "if" => (Self::If, V7),
            "unevaluatedProperties" => (Self::UnevaluatedProperties, V2019),
            "unevaluatedItems" => (Self::UnevaluatedItems, V2019),
            _ => return None,
        })
    }

    /// Returns the rules of `schema`, each once and in order, each with the value of one of its keywords.
    pub(super) fn rules(schema: &Map<String, Value>, draft: Draft) -> Vec<(Self, &Value)> {
        // Up to draft 7, the keywords beside a reference are ignored.
        if let (true, Some(target @ Value::String(_))) = (draft <= Draft::V7, schema.get("$ref")) {
            return vec![(Self::Ref, target)];
        }
        let mut rules: Vec<(Self, &Value)> = Vec::new();
        for (name, value) in schema {
            let Some((keyword, since)) = Self::named(name) else { continue };
            // Sorted by hand: the few rules do not need a sorting algorithm, which is a tenth of this validator's code.
            let at = rules.partition_point(|(before, _)| *before < keyword);
            if since <= draft && rules.get(at).is_none_or(|(next, _)| *next != keyword) {
                rules.insert(at, (keyword, value));
            }
        }
        rules
    }
}

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

/// Returns `name` if it is the name of a keyword that applies a subschema, and that an error names.
pub(super) fn applicator(name: &str) -> Option<&'static str> {
    APPLICATORS.into_iter().find(|known| *known == name)
}

/// Returns the schemas directly inside `schema`.
pub(super) fn subschemas(schema: &Map<String, Value>, draft: Draft) -> impl Iterator<Item = &Value> {
    schema.iter().filter(move |(name, _)| first_draft(name).is_some_and(|since| since <= draft)).flat_map(
        |(name, value)| -> Box<dyn Iterator<Item = &Value>> {
            match (name.as_str(), value) {
                (
                    "$defs" | "definitions" | "dependencies" | "dependentSchemas" | "properties"
                    | "patternProperties",
                    Value::Object(inside),
                ) => Box::new(inside.values()),
                (_, Value::Array(inside)) => Box::new(inside.iter()),
                _ => Box::new(std::iter::once(value)),
            }
        },
    )
}

/// Returns the first draft in which the keyword `name` contains schemas, or `None` if there is no such draft.
fn first_draft(name: &str) -> Option<Draft> {
    Some(match name {
        "additionalItems"
        | "additionalProperties"
        | "allOf"
        | "anyOf"
        | "definitions"
        | "dependencies"
        | "items"
        | "not"
        | "oneOf"
        | "patternProperties"
        | "properties" => Draft::V4,
        "contains" | "propertyNames" => Draft::V6,
        "else" | "if" | "then" => Draft::V7,
        "$defs" | "contentSchema" | "dependentSchemas" | "unevaluatedItems" | "unevaluatedProperties" => {
            Draft::V2019
        }
        "prefixItems" => Draft::V2020,
        _ => return None,
    })
}
