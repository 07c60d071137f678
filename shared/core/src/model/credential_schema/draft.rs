//! The drafts of JSON Schema: how a schema names its draft, and the metaschema of each.

use serde_json::{Map, Value};

/// A draft; a later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    V4,
    V6,
    V7,
    V2019,
    V2020,
}

const NAMES: [(&str, Draft); 5] = [
    ("draft/2020-12/schema", Draft::V2020),
    ("draft/2019-09/schema", Draft::V2019),
    ("draft-07/schema", Draft::V7),
    ("draft-06/schema", Draft::V6),
    ("draft-04/schema", Draft::V4),
];

impl Draft {
    /// Returns the draft that `$schema` names, or 2020-12 if `schema` names none. Returns `None` if the name is unknown.
    pub(super) fn of(schema: &Map<String, Value>) -> Option<Self> {
        let Some(named) = schema.get("$schema") else { return Some(Self::V2020) };
        let url = named.as_str()?.trim_end_matches('#');
        let url = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let path = url.strip_prefix("json-schema.org/")?;
        NAMES.iter().find(|(name, _)| *name == path).map(|(_, draft)| *draft)
    }

    /// Returns the metaschema: joined into one document, without descriptions, and from draft 2019-09 on without formats,
    /// which these drafts do not assert.
    pub(super) fn metaschema(self) -> &'static str {
        match self {
            Self::V4 => include_str!("metaschemas/draft-04.json"),
            Self::V6 => include_str!("metaschemas/draft-06.json"),
            Self::V7 => include_str!("metaschemas/draft-07.json"),
            Self::V2019 => include_str!("metaschemas/draft-2019-09.json"),
            Self::V2020 => include_str!("metaschemas/draft-2020-12.json"),
        }
    }
}
