//! Table `catalogue_entries`: reading entries of one kind page by page here, reviewing them in `review`. What probes find is
//! written by `validations`. Within an integration entries have their upstream's order, by `position` and name: two
//! entries have the same position only after an upstream changed its list in parts.
//!
//! Agents are offered only approved entries of running integrations.

mod review;

pub use self::review::{Reviewed, approve, find, reject, review};
use super::targets::{standing, users_connect};
use crate::Platform;
use crate::model::entry::Kind;
use kernel::Result;
use kernel::ports::{Row, Statement};
use serde::{Deserialize, Serialize};

/// An entry on a page of the catalogue.
pub struct Listed {
    /// Slug of the integration.
    pub slug: String,
    /// The entry's name at the upstream.
    pub name: String,
    /// The definition, a JSON object without its `name` member.
    pub definition: String,
    /// The entry's place in the upstream's own list.
    pub position: i64,
}

/// The place of an entry in the list of all integrations' entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Slug of the integration.
    pub slug: String,
    /// The entry's place in the integration.
    pub position: i64,
    /// The entry's name at the upstream.
    pub name: String,
}

impl Place {
    /// The place before every entry of the integration `slug`; of an empty slug, before all entries.
    pub fn before(slug: &str) -> Self {
        Self { slug: slug.to_owned(), position: -1, name: String::new() }
    }
}

impl Listed {
    /// Returns the entry's place.
    pub fn place(&self) -> Place {
        Place { slug: self.slug.clone(), position: self.position, name: self.name.clone() }
    }
}

/// The name under which an integration is listed that has no entries yet, because nobody has connected to it by OAuth.
pub const CONNECT: &str = "connect";

/// What stands at one place of the list that agents are offered.
pub enum Offer {
    /// An entry.
    Entry(Listed),
    /// An integration whose entries are read once a user has connected to it by OAuth. It stands in the list of tools,
    /// under the name [`CONNECT`].
    Unconnected {
        /// Slug of the integration.
        slug: String,
        /// Its display name.
        title: String,
        /// Whether the viewer has a connection: the entries are read soon.
        is_connected: bool,
    },
}

impl Offer {
    /// Returns the place in the list.
    pub fn place(&self) -> Place {
        match self {
            Self::Entry(entry) => entry.place(),
            Self::Unconnected { slug, .. } => {
                Place { slug: slug.clone(), position: 0, name: CONNECT.to_owned() }
            }
        }
    }

    /// Returns the length of the definition.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.definition.len(),
            Self::Unconnected { .. } => 0,
        }
    }
}

/// What a page of the list is asked for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The kind of the entries.
    pub kind: Kind,
    /// The place after which the page begins.
    pub after: &'a Place,
    /// The subject for whom the list is made.
    pub viewer: &'a str,
    /// Most places on the page.
    pub limit: u32,
    /// The page ends with the definition that brings the length of all of them to this, in bytes.
    pub bytes: usize,
}

/// The statement that selects a page, without its name: `$entries` are the conditions of the join with an entry, `$after`
/// those of the place after which the page begins. An integration without any entry is joined with none.
macro_rules! offered {
    ($entries:literal, $after:literal) => {
        concat!(
            "
        SELECT slug, name, definition, coalesce(position, 0), title, is_connected
        FROM (SELECT *, sum(bytes) OVER (ORDER BY slug, position, name ROWS UNBOUNDED PRECEDING) AS total
              FROM (SELECT i.slug AS slug, t.position AS position, coalesce(t.name, 'connect') AS name,
                           t.definition AS definition,
                           coalesce(length(CAST(t.definition AS BLOB)), 0) AS bytes, iif(t.name IS NULL, i.name, NULL) AS title,
                           iif(t.name IS NULL, ",
            standing!("?5 /* viewer */"),
            " IS 'active', NULL) AS is_connected
                    FROM integrations i
                    LEFT JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = ?4 /* kind */
                                                 AND t.status = 'approved'",
            $entries,
            "
                    WHERE i.archived_at IS NULL AND i.state = 'running' AND i.category = 'gateway_remote_mcp'",
            $after,
            "
                      AND (t.name IS NOT NULL
                           OR ?4 = 'tool' AND i.catalogue_hash IS NULL AND ",
            users_connect!(),
            "
                              AND NOT EXISTS (SELECT 1 FROM catalogue_entries
                                              WHERE integration_id = i.id AND status IN ('approved', 'new', 'changed')))
                    ORDER BY i.slug, t.position, t.name LIMIT ?3 /* limit */))
        WHERE total - bytes < ?6 /* bytes */
        ORDER BY slug, position, name"
        )
    };
}

/// Returns a page of what all running integrations offer: ordered by slug, then as their upstream orders it.
pub async fn page(platform: &Platform, wanted: Wanted<'_>) -> Result<Vec<Offer>> {
    let statement = Statement::new(concat!(
        "-- entries.page",
        offered!(
            "",
            " AND i.slug >= ?1 /* slug */ AND (i.slug, t.position, t.name) > (?1, ?7 /* position */, ?2 /* name */)"
        )
    ));
    offers(platform, statement, wanted).await
}

/// Returns a page of what the running integration `wanted.after.slug` offers, as the upstream orders it.
pub async fn page_of(platform: &Platform, wanted: Wanted<'_>) -> Result<Vec<Offer>> {
    let statement = Statement::new(concat!(
        "-- entries.page_of",
        offered!(
            " AND (t.position, t.name) > (?7 /* position */, ?2 /* name */)",
            " AND i.slug = ?1 /* slug */ AND (coalesce(t.position, 0), coalesce(t.name, 'connect')) > (?7, ?2)"
        )
    ));
    offers(platform, statement, wanted).await
}

async fn offers(platform: &Platform, statement: Statement, wanted: Wanted<'_>) -> Result<Vec<Offer>> {
    let Place { slug, position, name } = wanted.after;
    let bytes = i64::try_from(wanted.bytes).unwrap_or(i64::MAX);
    let statement = statement
        .bind(slug.as_str())
        .bind(name.as_str())
        .bind(i64::from(wanted.limit))
        .bind(wanted.kind.as_str())
        .bind(wanted.viewer)
        .bind(bytes)
        .bind(*position);
    let read = |row: Row| {
        let mut row = row.read();
        let (slug, name, definition) = (row.text()?, row.text()?, row.optional_text()?);
        let position = row.integer()?;
        Ok(match (definition, row.optional_text()?) {
            (None, Some(title)) => Offer::Unconnected { slug, title, is_connected: row.integer()? != 0 },
            (definition, _) => {
                Offer::Entry(Listed { slug, name, definition: definition.unwrap_or_default(), position })
            }
        })
    };
    platform.sql.query(statement).await?.into_iter().map(read).collect()
}

/// Returns every approved entry of an integration, running or not, as the upstream orders them. The statement's limit is the
/// number of tools that a probe accepts, so no entry is left out.
pub async fn approved(platform: &Platform, kind: Kind, integration: &str) -> Result<Vec<Listed>> {
    let statement = Statement::new(
        "-- entries.approved
        SELECT i.slug, t.name, t.definition, t.position
        FROM integrations i
        JOIN catalogue_entries t ON t.integration_id = i.id AND t.kind = ?2 /* kind */ AND t.status = 'approved'
        WHERE i.id = ?1 /* integration */ AND i.archived_at IS NULL
        ORDER BY t.position, t.name LIMIT 10000",
    );
    read(platform, statement.bind(integration).bind(kind.as_str())).await
}

/// Returns the number of an integration's approved entries.
pub async fn count(platform: &Platform, kind: Kind, integration: &str) -> Result<i64> {
    let statement = Statement::new(
        "-- entries.count
        SELECT count(*) FROM catalogue_entries
        WHERE integration_id = ?1 /* integration */ AND kind = ?2 /* kind */ AND status = 'approved'",
    );
    let rows = platform.sql.query(statement.bind(integration).bind(kind.as_str())).await?;
    rows.into_iter().next().map_or(Ok(0), |row| row.read().integer())
}

async fn read(platform: &Platform, statement: Statement) -> Result<Vec<Listed>> {
    let read = |row: Row| {
        let mut row = row.read();
        let (slug, name, definition) = (row.text()?, row.text()?, row.text()?);
        Ok(Listed { slug, name, definition, position: row.integer()? })
    };
    platform.sql.query(statement).await?.into_iter().map(read).collect()
}
