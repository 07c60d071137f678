//! Compares the validator with boon, another validator: both come to the same verdict about generated schemas, values and
//! formatted strings.

use boon::{Compiler, Schemas};
use serde_json::{Value, json};

use super::{format, tests::raw, validate};

/// Pseudo-random numbers, the same at every run.
struct Dice(u64);

impl Dice {
    /// Returns a number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())].clone()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.roll(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.roll(2) == 0),
            2 => self.of(&[
                json!(0),
                json!(1),
                json!(1.0),
                json!(2.5),
                json!(-3),
                json!(1e30),
                json!(u64::MAX),
            ]),
            3 | 4 => json!(self.of(&["", "a", "b", "ab", "0", "é", "a.b", "aaaa"])),
            5 => (0..self.roll(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..self.roll(4)).map(|_| (self.name(), self.value(depth - 1))).collect()),
        }
    }

    fn name(&mut self) -> String {
        self.of(&["a", "b", "c", "ab"]).to_owned()
    }

    fn count(&mut self) -> Value {
        self.of(&[json!(0), json!(1), json!(2), json!(3), json!(2.0)])
    }

    fn schemas(&mut self, draft: u32, depth: usize) -> Value {
        (0..=self.roll(3)).map(|_| self.schema(draft, depth)).collect()
    }

    fn named_schemas(&mut self, draft: u32, depth: usize) -> Value {
        Value::Object((0..self.roll(3)).map(|_| (self.name(), self.schema(draft, depth))).collect())
    }

    fn schema(&mut self, draft: u32, depth: usize) -> Value {
        if depth == 0 || draft > 4 && self.roll(9) == 0 {
            return if draft > 4 { self.of(&[json!(true), json!(false), json!({})]) } else { json!({}) };
        }
        if self.roll(8) == 0 {
            return json!({"$ref": self.of(&["#/definitions/x", "#/definitions/y"])});
        }
        let count = 1 + self.roll(3);
        Value::Object((0..count).flat_map(|_| self.keywords(draft, depth - 1)).collect())
    }

    fn keywords(&mut self, draft: u32, depth: usize) -> Vec<(String, Value)> {
        match self.roll(3) {
            0 => self.restriction(draft),
            1 => self.number_or_string(draft),
            _ => self.applicator(draft, depth),
        }
    }

    fn restriction(&mut self, draft: u32) -> Vec<(String, Value)> {
        const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
        match self.roll(13) {
            0..=2 => one("type", json!(self.of(&TYPES))),
            3 => one("type", json!([self.of(&TYPES[..3]), self.of(&TYPES[3..])])),
            4 => one("enum", json!([self.value(1), "of another kind", {"z": 1}])),
            5 if draft > 4 => one("const", self.value(1)),
            6 => one("minProperties", self.count()),
            7 => one("maxProperties", self.count()),
            8 => one("required", json!([self.name()])),
            9 => one("dependencies", json!({self.name(): [self.name()]})),
            10 if draft > 7 => one("dependentRequired", json!({self.name(): [self.name()]})),
            11 => one("minItems", self.count()),
            12 => one("maxItems", self.count()),
            _ => one("uniqueItems", json!(self.roll(4) > 0)),
        }
    }

    fn number_or_string(&mut self, draft: u32) -> Vec<(String, Value)> {
        let number = self.of(&[json!(0), json!(1), json!(2.5), json!(-1)]);
        let is_exclusive = self.roll(2) == 0;
        match self.roll(9) {
            0 => one("minLength", self.count()),
            1 => one("maxLength", self.count()),
            2 => {
                one("pattern", json!(self.of(&["^a", r"\d", "b$", r"^\w*$", r"\s|é", r"^\p{L}+$", "^.{2}$"])))
            }
            3 if draft == 4 => two(("minimum", number), ("exclusiveMinimum", json!(is_exclusive))),
            4 if draft == 4 => two(("maximum", number), ("exclusiveMaximum", json!(is_exclusive))),
            3 => one("exclusiveMinimum", number),
            4 => one("exclusiveMaximum", number),
            5 | 6 => one("minimum", number),
            7 => one("maximum", number),
            _ => one("multipleOf", self.of(&[json!(1), json!(0.5), json!(2)])),
        }
    }

    fn applicator(&mut self, draft: u32, depth: usize) -> Vec<(String, Value)> {
        let schema = self.schema(draft, depth);
        match self.roll(24) {
            0 => one("dependencies", self.named_schemas(draft, depth)),
            1..=3 => one("properties", self.named_schemas(draft, depth)),
            4 => one("patternProperties", json!({self.of(&["^a", "b$", "."]): schema})),
            5 => one("additionalProperties", json!(self.roll(2) == 0)),
            6 => one("additionalProperties", schema),
            7 if draft > 4 => one("propertyNames", schema),
            8 if draft > 7 => one("dependentSchemas", self.named_schemas(draft, depth)),
            9 => one("items", schema),
            10 | 11 if draft < 2020 => {
                two(("items", self.schemas(draft, depth)), ("additionalItems", schema))
            }
            10 => one("prefixItems", self.schemas(draft, depth)),
            11 => two(("prefixItems", self.schemas(draft, depth)), ("items", schema)),
            12 if draft > 4 => one("contains", schema),
            13 if draft > 7 => {
                two(("contains", schema), (self.of(&["minContains", "maxContains"]), self.count()))
            }
            14 => one("not", schema),
            15 => one("allOf", self.schemas(draft, depth)),
            16 => one("anyOf", self.schemas(draft, depth)),
            17 => one("oneOf", self.schemas(draft, depth)),
            18 | 19 if draft > 6 => {
                let branch = (self.of(&["then", "else"]), self.schema(draft, depth));
                two(("if", schema), branch)
            }
            20 | 21 if draft > 7 => one("unevaluatedProperties", schema),
            22 if draft > 7 => one("unevaluatedItems", schema),
            23 if draft > 2019 => one("$dynamicRef", json!(self.of(&["#/definitions/x", "#y"]))),
            _ => one("title", json!("restricts nothing")),
        }
    }
}

fn one(name: &str, value: Value) -> Vec<(String, Value)> {
    vec![(name.to_owned(), value)]
}

fn two(first: (&str, Value), second: (&str, Value)) -> Vec<(String, Value)> {
    [first, second].map(|(name, value)| (name.to_owned(), value)).into()
}

fn uri(draft: u32) -> String {
    match draft {
        2020 => "https://json-schema.org/draft/2020-12/schema".to_owned(),
        2019 => "https://json-schema.org/draft/2019-09/schema".to_owned(),
        _ => format!("http://json-schema.org/draft-0{draft}/schema#"),
    }
}

/// Returns what boon says, or `None` if boon refuses the schema.
fn judged(schema: &Value, value: &Value) -> Option<bool> {
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    compiler.add_resource("urn:a", schema.clone()).ok()?;
    let mut schemas = Schemas::new();
    let index = compiler.compile("urn:a", &mut schemas).ok()?;
    Some(schemas.validate(value, index).is_ok())
}

fn ours(schema: &Value, value: &Value) -> Option<bool> {
    match validate(&raw(schema), value) {
        Ok(()) => Some(true),
        Err(error) if error.message.starts_with("credentials do not match") => Some(false),
        Err(error) => {
            assert!(error.message.starts_with("credentialSchema "), "{}", error.message);
            None
        }
    }
}

#[test]
fn generated_schemas_and_values() {
    let mut dice = Dice(2020);
    let mut verdicts = [0, 0];
    for round in 0..500 {
        let draft = dice.of(&[4, 6, 7, 2019, 2020, 2020]);
        let mut schema = dice.schema(draft, 3);
        let (x, y) = (dice.schema(draft, 0), dice.schema(draft, 0));
        let Some(members) = schema.as_object_mut() else { continue };
        members.insert("$schema".to_owned(), json!(uri(draft)));
        let y = if draft == 2020 { json!({"$dynamicAnchor": "y", "not": x}) } else { y };
        members.insert("definitions".to_owned(), json!({"x": {"anyOf": [x, {"type": "string"}]}, "y": y}));
        for _ in 0..4 {
            let value = dice.value(3);
            let (boons, ours) = (judged(&schema, &value), ours(&schema, &value));
            assert_eq!(ours, boons, "round {round}: {schema} of {value}");
            verdicts[usize::from(ours.unwrap())] += 1;
        }
    }
    assert!(verdicts.iter().all(|count| *count > 250), "{verdicts:?}");
}

/// Gives one keyword of each schema a value that is mostly of the wrong kind.
#[test]
fn schemas_that_are_none() {
    let mut dice = Dice(7);
    let mut refused = 0;
    for round in 0..500 {
        let draft = dice.of(&[4, 6, 7, 2019, 2020]);
        let mut schema = dice.schema(draft, 2);
        let Some(members) = schema.as_object_mut() else { continue };
        let Some(keyword) = members.keys().next().cloned() else { continue };
        members.insert(keyword, dice.value(2));
        members.insert("$schema".to_owned(), json!(uri(draft)));
        members.insert("definitions".to_owned(), json!({"x": {}, "y": {"$anchor": "y"}}));
        if schema.to_string().contains("$ref") || schema.to_string().contains("$dynamicRef") {
            continue;
        }
        let (boons, ours) = (judged(&schema, &json!(1)), ours(&schema, &json!(1)));
        assert_eq!(ours, boons, "round {round}: {schema}");
        refused += usize::from(ours.is_none());
    }
    assert!(refused > 80, "{refused}");
}

/// The formats that both validators know.
const FORMATS: [&str; 20] = [
    "date",
    "time",
    "date-time",
    "duration",
    "period",
    "hostname",
    "idn-hostname",
    "email",
    "idn-email",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

#[test]
fn formats() {
    let seeds = include_str!("formats.txt");
    let mut bad = 0;
    let mut dice = Dice(1);
    for name in FORMATS {
        let schema = json!({"format": name});
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource("urn:a", schema).unwrap();
        let mut schemas = Schemas::new();
        let index = compiler.compile("urn:a", &mut schemas).unwrap();
        for seed in seeds.lines() {
            for round in 0..40 {
                let mut text: Vec<char> = seed.chars().collect();
                // The first round keeps the seed as it is.
                for _ in 0..round.min(2) {
                    let at = dice.roll(text.len() + 1);
                    let c = dice.of(&[
                        '0', '9', '-', ':', 'T', 'Z', '.', '@', '/', '~', '{', '\\', 'c', 'é', '[', '"',
                    ]);
                    match dice.roll(3) {
                        0 if at < text.len() => text[at] = c,
                        1 if at < text.len() => drop(text.remove(at)),
                        _ => text.insert(at, c),
                    }
                }
                let text: String = text.into_iter().collect();
                // boon looks for the second l of RFC 5892 §A.3 at the end of the name.
                if name.starts_with("idn-") && text.contains('·') {
                    continue;
                }
                let boons = schemas.validate(&json!(text), index).is_ok();
                if format::fits(name, &text) != boons {
                    println!("MISMATCH {name} of {text:?} boon {boons}");
                    bad += 1;
                }
            }
        }
    }
    assert_eq!(bad, 0);
}
