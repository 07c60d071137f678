//! The pages of `tools/list` for agents, made from the stored catalogue entries and never by asking upstreams.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::Platform;
use crate::auth::Caller;
use crate::model::entry::Kind;
use crate::policy::authorize;
use crate::store::entries::{Listed, page, page_of};
use kernel::Result;
use kernel::memory::{FRESH, Family, Topic};
use web::paging;

/// Most tools on one page.
pub const PAGE: u32 = 500;
/// Most pages that one request reads from the store, if the caller's persona hides most of their tools.
const MOST_READS: usize = 8;
/// The longest exposed name (MCP: 1 to 128 characters).
const LONGEST_NAME: usize = 128;

/// The tools that an endpoint offers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The tools of every running integration, named `<slug>__<tool>`.
    All,
    /// The tools of the integration with this slug, under their own names.
    One(String),
}

impl Scope {
    /// Returns slug and own name of the tool that this endpoint calls `exposed`; `None` if that name has no slug.
    pub fn resolve<'a>(&'a self, exposed: &'a str) -> Option<(&'a str, &'a str)> {
        match self {
            // A slug contains no underscore, so the first `__` ends the slug.
            Self::All => exposed.split_once("__"),
            Self::One(slug) => Some((slug, exposed)),
        }
    }
}

/// The key of a rendered page. Which tools a page has depends on no property of the caller except the persona.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// The name of the caller's persona; without a persona the page is empty.
    pub persona: Option<String>,
    /// The endpoint.
    pub scope: Scope,
    /// The cursor text.
    pub cursor: Option<String>,
}

/// A rendered page.
#[derive(Debug)]
pub struct Page {
    /// The tools as a JSON array.
    pub tools: String,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// Rendered pages.
struct Pages;

impl Family for Pages {
    type Key = PageKey;
    type Value = Rc<Page>;
    const TOPIC: Topic = Topic::Integrations;
}

#[derive(Serialize, Deserialize)]
struct Place {
    slug: String,
    name: String,
}

/// Returns the page of `scope` after `cursor`, with the tools that `caller` may use. Fails if this list did not
/// return the cursor.
pub async fn list(
    platform: &Platform,
    caller: &Caller,
    scope: &Scope,
    cursor: Option<String>,
) -> Result<Rc<Page>> {
    let now = platform.now();
    let persona = caller.persona.as_ref().map(|persona| persona.name.clone());
    let key = PageKey { persona, scope: scope.clone(), cursor };
    if let Some(page) = platform.memory.cache::<Pages>().get(&key, now) {
        return Ok(page);
    }
    let page = Rc::new(render(platform, caller, scope, key.cursor.as_deref()).await?);
    platform.memory.cache::<Pages>().put(key, Rc::clone(&page), now, FRESH);
    Ok(page)
}

async fn render(platform: &Platform, caller: &Caller, scope: &Scope, cursor: Option<&str>) -> Result<Page> {
    let purpose = match scope {
        Scope::All => "tools/list".to_owned(),
        Scope::One(slug) => format!("tools/list {slug}"),
    };
    let mut place = match cursor {
        Some(cursor) => paging::decode(&platform.settings.keys, &purpose, cursor)?,
        None => Place { slug: String::new(), name: String::new() },
    };
    let mut tools = String::from("[");
    let mut shown = 0;
    for _ in 0..MOST_READS {
        let read = match scope {
            Scope::All => page(platform, Kind::Tool, (&place.slug, &place.name), PAGE).await?,
            Scope::One(slug) => page_of(platform, Kind::Tool, slug, &place.name, PAGE).await?,
        };
        let is_last = read.len() < PAGE as usize;
        for tool in read {
            if is_offered(caller, scope, &tool) {
                push(&mut tools, scope, &tool);
                shown += 1;
            }
            place = Place { slug: tool.slug, name: tool.name };
            if shown == PAGE {
                break;
            }
        }
        if is_last && shown < PAGE {
            tools.push(']');
            return Ok(Page { tools, next_cursor: None });
        }
        if shown == PAGE {
            break;
        }
    }
    tools.push(']');
    let next_cursor = Some(paging::encode(&platform.settings.keys, &purpose, &place)?);
    Ok(Page { tools, next_cursor })
}

fn is_offered(caller: &Caller, scope: &Scope, tool: &Listed) -> bool {
    let fits = *scope != Scope::All || tool.slug.len() + 2 + tool.name.len() <= LONGEST_NAME;
    fits && authorize(caller.persona.as_deref(), &tool.slug, &tool.name).allowed
}

/// Appends the definition of `tool`, with the exposed name as its first member.
fn push(tools: &mut String, scope: &Scope, tool: &Listed) {
    if tools.len() > 1 {
        tools.push(',');
    }
    let exposed = match scope {
        Scope::All => format!("{}__{}", tool.slug, tool.name),
        Scope::One(_) => tool.name.clone(),
    };
    tools.push_str("{\"name\":");
    tools.push_str(mcp::message::raw(&exposed).get());
    // The stored definition is an object with at least an input schema.
    match tool.definition.strip_prefix('{') {
        Some(rest) if rest != "}" => {
            tools.push(',');
            tools.push_str(rest);
        }
        _ => tools.push('}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_at_the_first_double_underscore() {
        assert_eq!(Scope::All.resolve("vendor__get__x"), Some(("vendor", "get__x")));
        assert_eq!(Scope::All.resolve("vendor___x"), Some(("vendor", "_x")));
        assert_eq!(Scope::All.resolve("vendor"), None);
        assert_eq!(Scope::One("vendor".into()).resolve("get__x"), Some(("vendor", "get__x")));
    }

    #[test]
    fn the_exposed_name_becomes_the_first_member_of_a_definition() {
        let tool =
            Listed { slug: "v".into(), name: "t\"".into(), definition: r#"{"inputSchema":{}}"#.into() };
        let mut tools = String::from("[");
        push(&mut tools, &Scope::All, &tool);
        push(&mut tools, &Scope::One("v".into()), &tool);
        assert_eq!(tools, r#"[{"name":"v__t\"","inputSchema":{}},{"name":"t\"","inputSchema":{}}"#);
    }
}
