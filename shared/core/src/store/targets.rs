//! `integrations`, `catalogue_entries` and `credentials` joined: what a tool call needs, read in one statement.

use std::rc::Rc;

use crate::Platform;
use crate::model::credential::SealedCredential;
use crate::model::target::{Target, Upstream};
use kernel::memory::{FRESH, Family, Topic};
use kernel::net::SafeUrl;
use kernel::ports::{Row, Statement};
use kernel::{Error, Result};

/// Key of a target in the instance's memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The caller's subject. The target may hold this caller's credential.
    pub owner: String,
    /// Slug of the integration.
    pub slug: String,
    /// The tool's name at the upstream.
    pub tool: String,
}

/// Targets of tool calls, in the instance's memory.
struct Targets;

impl Family for Targets {
    type Key = Key;
    type Value = Rc<Target>;
    const TOPIC: Topic = Topic::Credentials;

    fn bytes(key: &Key, target: &Rc<Target>) -> usize {
        key.owner.len() + key.slug.len() + key.tool.len() + target.bytes()
    }
}

/// Slugs by the reference in a URL (an integration's slug or its UUID), in the instance's memory.
struct Slugs;

impl Family for Slugs {
    type Key = String;
    type Value = Rc<str>;
    const TOPIC: Topic = Topic::Integrations;

    fn bytes(reference: &String, slug: &Rc<str>) -> usize {
        reference.len() + slug.len()
    }
}

/// Returns the tool `key.tool` of the running integration `key.slug`, with the credential that `key.owner` may use.
/// `None` if there is no such approved tool. Fails if the upstream's URL may no longer be dialled.
pub async fn find(platform: &Platform, key: Key) -> Result<Option<Rc<Target>>> {
    let now = platform.now();
    let cache = platform.memory.cache::<Targets>();
    if let Some(target) = cache.get(&key, now) {
        return Ok(Some(target));
    }
    let generation = cache.generation();
    let statement = Statement::new(
        "-- targets.find
        SELECT i.id, i.slug, i.url, i.era, i.transport, i.protocol_version, i.auth_mode, i.headers, c.id, c.owner, c.kind, c.sealed,
               c.expires_at, c.origin, c.status, t.name, t.param_headers
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = 'tool' AND t.name = ?2 /* tool */
                                AND t.status = 'approved'
        LEFT JOIN credentials c ON c.id = (SELECT id FROM credentials
                                           WHERE integration_id = i.id AND owner IN (?3 /* owner */, 'organization')
                                           ORDER BY owner = 'organization' LIMIT 1)
        WHERE i.slug = ?1 /* slug */ AND i.archived_at IS NULL AND i.state = 'running'
          AND i.category = 'gateway_remote_mcp'",
    );
    let statement = statement.bind(key.slug.as_str()).bind(key.tool.as_str()).bind(key.owner.as_str());
    let rows = platform.sql.query(statement).await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let target = Rc::new(from_row(platform, row)?);
    cache.put(generation, key, Rc::clone(&target), now, FRESH);
    Ok(Some(target))
}

/// An integration that users connect to by OAuth, and how a viewer stands to it.
pub struct Connectable {
    /// The integration's id.
    pub integration_id: String,
    /// Its slug.
    pub slug: String,
    /// Its display name.
    pub title: String,
    /// How the credential stands that would be presented for the viewer.
    pub standing: Connected,
}

/// Whether there is a credential that can be presented for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connected {
    /// There is none.
    No,
    /// There is one.
    Yes,
    /// There is one, and its owner has to connect again.
    Ended,
}

/// The condition that users connect to the integration `i` by OAuth.
macro_rules! users_connect {
    () => {
        "i.auth_mode = 'oauth' AND i.oauth ->> '$.grant' IS NOT 'client_credentials'"
    };
}
pub(super) use users_connect;

/// The status of the credential that would be presented to the integration `i` for a viewer, NULL if there is none.
macro_rules! standing {
    ($viewer:literal) => {
        concat!(
            "(SELECT status FROM credentials WHERE integration_id = i.id AND owner IN (",
            $viewer,
            ", 'organization') ORDER BY owner = 'organization' LIMIT 1)"
        )
    };
}
pub(super) use standing;

/// Returns the running integration `slug` if users connect to it by OAuth; `None` also if its upstream has a tool that
/// is named [`CONNECT`](super::entries::CONNECT), offered or not.
pub async fn connectable(platform: &Platform, viewer: &str, slug: &str) -> Result<Option<Connectable>> {
    let statement = Statement::new(concat!(
        "-- targets.connectable
        SELECT i.id, i.name, ",
        standing!("?2 /* viewer */"),
        " FROM integrations i
        WHERE i.slug = ?1 /* slug */ AND i.archived_at IS NULL AND i.state = 'running'
          AND i.category = 'gateway_remote_mcp' AND ",
        users_connect!(),
        " AND NOT EXISTS (SELECT 1 FROM catalogue_entries
                          WHERE integration_id = i.id AND kind = 'tool' AND name = 'connect')"
    ));
    let rows = platform.sql.query(statement.bind(slug).bind(viewer)).await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let mut row = row.read();
    let (integration_id, title) = (row.text()?, row.text()?);
    let standing = match row.optional_text()?.as_deref() {
        None => Connected::No,
        Some("active") => Connected::Yes,
        Some(_) => Connected::Ended,
    };
    Ok(Some(Connectable { integration_id, slug: slug.to_owned(), title, standing }))
}

/// Returns the slug of the running, proxied integration that `reference` names by its slug or its UUID; `None` if
/// there is none.
pub async fn slug_of(platform: &Platform, reference: &str) -> Result<Option<Rc<str>>> {
    let now = platform.now();
    let cache = platform.memory.cache::<Slugs>();
    if let Some(slug) = cache.get(reference, now) {
        return Ok(Some(slug));
    }
    let generation = cache.generation();
    let statement = Statement::new(
        "-- targets.slug_of
        SELECT slug FROM integrations
        WHERE (slug = ?1 /* reference */ OR id = ?1) AND archived_at IS NULL AND state = 'running'
          AND category = 'gateway_remote_mcp'",
    );
    let rows = platform.sql.query(statement.bind(reference)).await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let slug: Rc<str> = row.read().text()?.into();
    cache.put(generation, reference.to_owned(), Rc::clone(&slug), now, FRESH);
    Ok(Some(slug))
}

fn from_row(platform: &Platform, row: Row) -> Result<Target> {
    let mut row = row.read();
    let (integration_id, slug, url) = (row.text()?, row.text()?, row.text()?);
    let (era, transport, protocol_version) =
        (row.optional_text()?, row.text()?.parse()?, row.optional_text()?);
    let (auth_mode, headers) = (row.text()?.parse()?, row.optional_text()?);
    let credential =
        match (row.optional_text()?, row.optional_text()?, row.optional_text()?, row.optional_text()?) {
            (Some(id), Some(owner), Some(kind), Some(sealed)) => {
                let (integration_id, kind) = (integration_id.clone(), kind.parse()?);
                Some(SealedCredential {
                    id,
                    integration_id,
                    owner,
                    kind,
                    sealed,
                    expires_at: None,
                    origin: None,
                })
            }
            _ => None,
        };
    let (expires_at, origin) = (row.optional_time()?, row.optional_text()?);
    let needs_reauth = row.optional_text()?.as_deref() == Some("needs_reauth");
    let credential = credential.map(|credential| SealedCredential { expires_at, origin, ..credential });
    // The URL was checked when it was stored. The policy may have become stricter since, so the URL is checked again.
    let url = SafeUrl::parse(&url, platform.settings.net)
        .map_err(|refused| Error::new(kernel::Code::Upstream, refused.to_string()))?;
    let upstream = Upstream {
        integration_id,
        slug,
        url,
        era: era.map(|era| era.parse()).transpose()?,
        transport,
        protocol_version,
        auth_mode,
        headers,
        needs_reauth,
        credential,
    };
    let tool = row.text()?;
    let param_headers = match row.optional_text()? {
        Some(json) => serde_json::from_str(&json).map_err(|error| Error::internal(error.to_string()))?,
        None => Vec::new(),
    };
    Ok(Target { upstream: Rc::new(upstream), tool, param_headers })
}
