//! Raw JSON: objects and arrays whose members stay text, read in a time and memory that grow with the text's length.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Returns `value` as raw JSON. For Postern's own types, whose serialization cannot fail.
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A string, borrowed from the text if it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Most members of an object that Postern reads member by member. MCP's own objects have a few dozen, and what tools and
/// models exchange lies deeper and stays raw. A member takes some 50 bytes of memory beside its text, which in a body that
/// is within its size limit could have two million of them.
pub const MOST_MEMBERS: usize = 10_000;
/// What is wrong with parameters that cannot be read as a [`RawObject`]. Names [`MOST_MEMBERS`].
pub const PARAMS_RULE: &str = "params must be an object with at most 10000 members and no key twice";

/// A JSON object whose members stay raw and in order. An object with a repeated key cannot be read, because two parsers
/// could take different values from it; nor can one with more than [`MOST_MEMBERS`].
#[derive(Debug, Default)]
pub struct RawObject<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> RawObject<'a> {
    /// Reads an object; `None` if the text is not an object, repeats a key or has too many members.
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// Returns the value of a member.
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }

    /// Returns the value of a member that is a string.
    pub fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }

    /// Sets a member. A member that exists already keeps its place.
    pub fn set(&mut self, key: &'static str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => self.0.push((Cow::Borrowed(key), Cow::Owned(value))),
        }
    }

    /// Appends a member of another object. The caller ensures that this object does not have the key.
    pub fn push(&mut self, key: &'a str, value: &'a RawValue) {
        self.0.push((Cow::Borrowed(key), Cow::Borrowed(value)));
    }

    /// Removes a member.
    pub fn remove(&mut self, key: &str) {
        self.retain(|name| name != key);
    }

    /// Keeps the members for whose key `keep` returns `true`.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Returns `true` if the object has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the members' keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Returns the object as JSON text.
    pub fn to_raw(&self) -> Box<RawValue> {
        raw(self)
    }
}

impl Serialize for RawObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RawObject<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, Cow<'de, RawValue>)> = Vec::new();
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    if members.len() == MOST_MEMBERS {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push((key, Cow::Borrowed(map.next_value::<&'de RawValue>()?)));
                }
                if has_repeated_key(&members) {
                    return Err(A::Error::custom("repeated key"));
                }
                Ok(RawObject(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Returns `true` if two members have one key.
///
/// The few keys of an ordinary object are compared with each other. A peer chooses how many there are, and comparing each
/// with all others would take minutes for a body that is within the size limit, so many keys are sorted. A hash table
/// would not do, because its seed is a constant in WASM, so that a peer could choose keys that collide.
fn has_repeated_key(members: &[(Cow<'_, str>, Cow<'_, RawValue>)]) -> bool {
    const FEW: usize = 16;
    if members.len() <= FEW {
        let mut keys = members.iter().map(|(key, _)| key).enumerate();
        return keys.any(|(at, key)| members.iter().take(at).any(|(earlier, _)| earlier == key));
    }
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// The elements of a JSON array, raw, as far as they are wanted.
#[derive(Debug)]
pub struct RawArray<'a> {
    /// The first elements.
    pub elements: Vec<&'a RawValue>,
    /// Whether the array has more elements than those.
    pub has_more: bool,
}

impl<'a> RawArray<'a> {
    /// Reads an array and keeps at most `most` of its elements, so that an array of very many small ones does not take
    /// many times the memory of its text. Fails if the text is not an array.
    pub fn parse(json: &'a str, most: usize) -> serde_json::Result<Self> {
        struct First(usize);
        impl<'de> Visitor<'de> for First {
            type Value = RawArray<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while elements.len() < self.0 {
                    let Some(element) = seq.next_element()? else {
                        return Ok(RawArray { elements, has_more: false });
                    };
                    elements.push(element);
                }
                let mut has_more = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    has_more = true;
                }
                Ok(RawArray { elements, has_more })
            }
        }
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read = deserializer.deserialize_seq(First(most))?;
        deserializer.end()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_objects_keep_order_and_text_and_have_no_repeated_keys() {
        let mut object = RawObject::parse(r#"{"b": 1.50, "a":{"x" :1},"\u0063":null}"#).unwrap();
        object.set("a", raw(&2));
        object.set("d", raw(&"new"));
        object.remove("c");
        assert_eq!(object.to_raw().get(), r#"{"b":1.50,"a":2,"d":"new"}"#);
        assert!(RawObject::parse(r#"{"name":"a","\u006eame":"b"}"#).is_none());
        assert!(RawObject::parse("[]").is_none());
    }

    /// Returns an object whose keys are the first `count` numbers, followed by `more`.
    fn numbered(count: usize, more: &str) -> String {
        let members: Vec<String> = (0..count).map(|n| format!("\"{n}\":0")).collect();
        format!("{{{}{more}}}", members.join(","))
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Native tests may read the clock.
    fn an_object_with_very_many_members_is_read_in_short_time() {
        let started = std::time::Instant::now();
        let most = numbered(MOST_MEMBERS, "");
        for _ in 0..50 {
            assert_eq!(RawObject::parse(&most).unwrap().iter().count(), MOST_MEMBERS);
        }
        for at in [0, MOST_MEMBERS / 2, MOST_MEMBERS - 2] {
            let repeated = numbered(MOST_MEMBERS - 1, &format!(",\"{at}\":0"));
            assert!(RawObject::parse(&repeated).is_none(), "{at} stands there twice");
        }
        assert!(RawObject::parse(&numbered(MOST_MEMBERS + 1, "")).is_none());
        assert!(PARAMS_RULE.contains(&format!(" {MOST_MEMBERS} ")));
        // As many as fit into the largest body.
        for more in ["", ",\"0\":0"] {
            assert!(RawObject::parse(&numbered(490_000, more)).is_none());
        }
        // Seconds on a slow machine; comparing each key with all others takes many minutes.
        assert!(started.elapsed() < std::time::Duration::from_mins(1));
    }

    #[test]
    fn of_an_array_only_the_wanted_elements_are_kept() {
        let read = |json, most| {
            let array = RawArray::parse(json, most).ok()?;
            Some((array.elements.iter().map(|element| element.get()).collect::<Vec<_>>(), array.has_more))
        };
        assert_eq!(read("[1, {\"a\":2} ,[]]", 3), Some((vec!["1", "{\"a\":2}", "[]"], false)));
        assert_eq!(read(" [1,2,3] ", 2), Some((vec!["1", "2"], true)));
        assert_eq!(read("[1]", 0), Some((vec![], true)));
        assert_eq!(read("[]", 0), Some((vec![], false)));
        for broken in ["", "[", "[1", "[1,", "[1,]", "[1,2,nul]", "[1]x", "{}", "7"] {
            assert_eq!(read(broken, 1), None, "{broken}");
        }
        let many = format!("[{}1]", "1,".repeat(2_000_000));
        assert!(RawArray::parse(&many, 50).unwrap().elements.capacity() < 100);
    }
}
