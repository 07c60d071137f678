//! Pages of lists: a limit, and an opaque cursor that names the place after which the next page begins.
//!
//! Cursors are signed for their list, so that a list accepts only cursors that the same list returned.

use std::marker::PhantomData;

use kernel::seal::KeyRing;
#[cfg(not(target_family = "wasm"))]
use kernel::seal::token_schema;
use kernel::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::extract::QueryParams;
#[cfg(not(target_family = "wasm"))]
use crate::openapi::{Param, integer};
use crate::request::Head;

/// A place in a list that is ordered by time of creation.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyset {
    /// The row's time of creation, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// The row's id, which orders rows of the same time.
    pub id: String,
}

impl Keyset {
    /// Returns what a statement compares rows with: the place after which the page begins, or a place before every row.
    pub fn start(after: Option<&Self>) -> (i64, &str) {
        after.map_or((i64::MIN >> 11, ""), |key| (key.created_at, key.id.as_str()))
    }
}

/// The place in a list's answer where the next cursor is found, which differs by dialect.
pub trait Spelling {
    /// The description of the parameter `cursor`: where a client finds the cursor of the next page.
    const NEXT: &'static str;
}

/// The member `nextCursor`.
pub struct Camel;
impl Spelling for Camel {
    const NEXT: &'static str = "The former page's `nextCursor`.";
}

/// The member `next_cursor`.
pub struct Snake;
impl Spelling for Snake {
    const NEXT: &'static str = "The former page's `next_cursor`.";
}

/// The header `Link` (RFC 8288).
pub struct Link;
impl Spelling for Link {
    const NEXT: &'static str = "As in the former page's `Link`.";
}

/// The query parameters of a list: `limit` (1 to `MOST`, `DEFAULT` if absent) and `cursor`.
pub struct PageQuery<S, const DEFAULT: u32, const MOST: u32> {
    /// The most items of the page.
    pub limit: u32,
    cursor: Cursor<S>,
}

impl<S: Spelling, const DEFAULT: u32, const MOST: u32> PageQuery<S, DEFAULT, MOST> {
    /// Returns the cursor.
    pub fn cursor(&self) -> &Cursor<S> {
        &self.cursor
    }
}

impl<S: Spelling, const DEFAULT: u32, const MOST: u32> QueryParams for PageQuery<S, DEFAULT, MOST> {
    fn from_query(head: &Head) -> Result<Self> {
        let limit = match head.query("limit").map(|text| text.parse::<u32>()) {
            None => DEFAULT,
            Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
            Some(_) => {
                let rule = format!("must be a whole number from 1 to {MOST}");
                return Err(Error::invalid_field("limit", rule));
            }
        };
        Ok(Self { limit, cursor: Cursor::from_query(head)? })
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, Param)> {
        let description = format!("Most items of a page; {DEFAULT} when absent.");
        let limit = Param::optional(&description, integer(1, MOST));
        let mut params = vec![("limit", limit)];
        params.extend(Cursor::<S>::document());
        params
    }
}

/// The query parameter `cursor` of a list.
pub struct Cursor<S>(Option<String>, PhantomData<S>);

impl<S: Spelling> QueryParams for Cursor<S> {
    fn from_query(head: &Head) -> Result<Self> {
        Ok(Self(head.query("cursor"), PhantomData))
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, Param)> {
        vec![("cursor", Param::optional(S::NEXT, token_schema()))]
    }
}

impl<S> Cursor<S> {
    /// Returns the place in the list `list` that the cursor names; `None` if there is no cursor. Fails if `list` did
    /// not return this cursor.
    pub fn place<T: DeserializeOwned>(&self, keys: &KeyRing, list: &str) -> Result<Option<T>> {
        self.0.as_deref().map(|cursor| decode(keys, list, cursor)).transpose()
    }
}

/// A page and the cursor of the next one.
#[derive(Debug)]
pub struct Page<T> {
    /// The page's rows.
    pub rows: Vec<T>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of the first `limit` of `rows`. If there are more rows, the page gets a cursor. `place` returns
    /// the place of a row.
    pub fn cut<P: Serialize>(
        keys: &KeyRing,
        list: &str,
        mut rows: Vec<T>,
        limit: usize,
        place: impl Fn(&T) -> P,
    ) -> Result<Self> {
        let goes_on = rows.len() > limit;
        rows.truncate(limit);
        let after = rows.last().filter(|_| goes_on);
        let next = after.map(|row| encode(keys, list, &place(row))).transpose()?;
        Ok(Self { rows, next })
    }
}

/// Returns the cursor for `place` in the list `list`.
pub fn encode(keys: &KeyRing, list: &str, place: &impl Serialize) -> Result<String> {
    let payload = serde_json::to_vec(place).map_err(|error| Error::internal(error.to_string()))?;
    keys.sign(list, &payload)
}

/// Returns the place that a cursor names. Fails if the list `list` did not return this cursor.
pub fn decode<T: DeserializeOwned>(keys: &KeyRing, list: &str, cursor: &str) -> Result<T> {
    keys.verify(list, cursor).and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or_else(|| {
        Error::invalid("the cursor is not one that this list gave out")
            .with_reason("cursor", "is not one that this list gave out")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap()
    }

    #[test]
    fn the_last_page_has_no_cursor_and_a_cursor_belongs_to_its_list() {
        let page = Page::cut(&keys(), "numbers", vec![1, 2, 3], 2, |row| *row).unwrap();
        assert_eq!(page.rows, [1, 2]);
        let cursor = page.next.unwrap();
        assert_eq!(decode::<u32>(&keys(), "numbers", &cursor).unwrap(), 2);
        assert!(decode::<u32>(&keys(), "letters", &cursor).is_err());
        assert!(decode::<u32>(&keys(), "numbers", "x").is_err());
        assert!(Page::cut(&keys(), "numbers", vec![1, 2], 2, |row| *row).unwrap().next.is_none());
    }

    #[test]
    fn a_limit_outside_of_its_bounds_is_refused() {
        let read = |query: &str| {
            let head = Head { uri: format!("/x?{query}").parse().unwrap(), ..Head::default() };
            PageQuery::<Camel, 50, 200>::from_query(&head).map(|page| page.limit)
        };
        assert_eq!((read("").unwrap(), read("limit=200").unwrap(), read("limit=").unwrap()), (50, 200, 50));
        for wrong in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1.0"] {
            let error = read(wrong).unwrap_err();
            assert_eq!(error.message, "limit must be a whole number from 1 to 200", "{wrong}");
            assert_eq!(error.reasons[0].field, "limit");
        }
    }
}
