//! The pages of `tools/list` for agents, made from the stored catalogue entries and never by asking upstreams.
//!
//! An integration that users connect to by OAuth has no entries until somebody has connected. To a caller who has not, it
//! offers one tool instead, `connect`, which answers with the link to do so.

use std::rc::Rc;

use crate::Platform;
use crate::auth::Caller;
use crate::model::entry::Kind;
use crate::policy::authorize;
use crate::store::entries::{self, CONNECT, Listed, Offer, Place, Wanted};
use kernel::Result;
use kernel::memory::{FRESH, Family, Topic};
use mcp::message::raw;
use serde_json::json;
use web::paging;

/// Most tools on one page.
pub const PAGE: u32 = 500;
/// A page ends with the tool that brings its length to this, in bytes: pages are held in memory whole.
const PAGE_BYTES: usize = 1024 * 1024;
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

/// The key of a rendered page. Which tools a page has depends on no property of the caller except the persona, unless one
/// of the integrations on it is yet to be connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// The name of the caller's persona; without a persona the page is empty.
    pub persona: Option<String>,
    /// The endpoint.
    pub scope: Scope,
    /// The cursor text.
    pub cursor: Option<String>,
    /// The caller's subject; `None` for pages that are the same for every caller with the persona.
    pub owner: Option<String>,
}

/// A rendered page.
#[derive(Debug)]
pub struct Page {
    /// The tools as a JSON array.
    pub tools: String,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
    /// Whether the page depends on what the caller is connected to.
    is_own: bool,
}

/// Returns the length of the texts of a page and its key.
fn bytes(key: &PageKey, page: &Page) -> usize {
    let slug = match &key.scope {
        Scope::All => 0,
        Scope::One(slug) => slug.len(),
    };
    let optional = [&key.persona, &key.cursor, &key.owner, &page.next_cursor].into_iter().flatten();
    slug + page.tools.len() + optional.map(String::len).sum::<usize>()
}

/// Rendered pages that are the same for every caller with the persona.
struct Pages;

impl Family for Pages {
    type Key = PageKey;
    type Value = Rc<Page>;
    const TOPIC: Topic = Topic::Integrations;

    fn bytes(key: &PageKey, page: &Rc<Page>) -> usize {
        bytes(key, page)
    }
}

/// Rendered pages of one caller each.
struct OwnPages;

impl Family for OwnPages {
    type Key = PageKey;
    type Value = Rc<Page>;
    const TOPIC: Topic = Topic::Credentials;

    fn bytes(key: &PageKey, page: &Rc<Page>) -> usize {
        bytes(key, page)
    }
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
    let key = PageKey { persona, scope: scope.clone(), cursor, owner: None };
    let pages = platform.memory.cache::<Pages>();
    if let Some(page) = pages.get(&key, now) {
        return Ok(page);
    }
    let own = PageKey { owner: Some(caller.subject.clone()), ..key.clone() };
    let own_pages = platform.memory.cache::<OwnPages>();
    if let Some(page) = own_pages.get(&own, now) {
        return Ok(page);
    }
    let (generation, own_generation) = (pages.generation(), own_pages.generation());
    let page = Rc::new(render(platform, caller, scope, key.cursor.as_deref()).await?);
    if page.is_own {
        own_pages.put(own_generation, own, Rc::clone(&page), now, FRESH);
    } else {
        pages.put(generation, key, Rc::clone(&page), now, FRESH);
    }
    Ok(page)
}

async fn render(platform: &Platform, caller: &Caller, scope: &Scope, cursor: Option<&str>) -> Result<Page> {
    let purpose = match scope {
        Scope::All => "tools/list".to_owned(),
        Scope::One(slug) => format!("tools/list {slug}"),
    };
    let mut place = match (cursor, scope) {
        (Some(cursor), _) => paging::decode(&platform.settings.keys, &purpose, cursor)?,
        (None, Scope::All) => Place::before(""),
        (None, Scope::One(slug)) => Place::before(slug),
    };
    let mut page = Page { tools: "[".to_owned(), next_cursor: None, is_own: false };
    let mut shown = 0;
    for _ in 0..MOST_READS {
        let viewer = caller.subject.as_str();
        let wanted = Wanted { kind: Kind::Tool, after: &place, viewer, limit: PAGE, bytes: PAGE_BYTES };
        let read = match scope {
            Scope::All => entries::page(platform, wanted).await?,
            Scope::One(_) => entries::page_of(platform, wanted).await?,
        };
        let was_cut = read.iter().map(Offer::bytes).sum::<usize>() >= PAGE_BYTES;
        let is_last = read.len() < PAGE as usize && !was_cut;
        let mut is_full = false;
        for offer in read {
            place = offer.place();
            page.is_own |= matches!(offer, Offer::Unconnected { .. });
            if let Some(tool) = tool(platform, caller, offer).filter(|tool| is_offered(caller, scope, tool)) {
                push(&mut page.tools, scope, &tool);
                shown += 1;
            }
            is_full = shown == PAGE || page.tools.len() >= PAGE_BYTES;
            if is_full {
                break;
            }
        }
        if is_full {
            break;
        }
        if is_last {
            page.tools.push(']');
            return Ok(page);
        }
    }
    page.tools.push(']');
    page.next_cursor = Some(paging::encode(&platform.settings.keys, &purpose, &place)?);
    Ok(page)
}

/// Returns the tool that an offer is for this caller: the entry, or the tool `connect` of an integration that the caller
/// is yet to connect; `None` if there is nothing to connect, or no link to do it by.
fn tool(platform: &Platform, caller: &Caller, offer: Offer) -> Option<Listed> {
    match offer {
        Offer::Entry(entry) => Some(entry),
        Offer::Unconnected { slug, title, is_connected } => {
            let has_link = !caller.is_service() && platform.settings.public_url.is_some();
            (has_link && !is_connected).then(|| connect_tool(slug, &title))
        }
    }
}

/// The tool `connect` of the integration `title`.
fn connect_tool(slug: String, title: &str) -> Listed {
    let definition = raw(&json!({
        "title": format!("Connect {title}"),
        "description": format!(
            "Connects your account with {title}: answers with a link that you open in a browser. Until then it is not \
             known which tools {title} has; afterwards they take the place of this one."
        ),
        "inputSchema": { "type": "object", "properties": {}, "additionalProperties": false },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    }));
    Listed { slug, name: CONNECT.to_owned(), definition: definition.get().to_owned(), position: 0 }
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
    tools.push_str(raw(&exposed).get());
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
        let tool = Listed {
            slug: "v".into(),
            name: "t\"".into(),
            definition: r#"{"inputSchema":{}}"#.into(),
            position: 0,
        };
        let mut tools = String::from("[");
        push(&mut tools, &Scope::All, &tool);
        push(&mut tools, &Scope::One("v".into()), &tool);
        assert_eq!(tools, r#"[{"name":"v__t\"","inputSchema":{}},{"name":"t\"","inputSchema":{}}"#);
    }
}
