//! Stores integrations under their slugs: a new integration, which may replace an archived one of its name (`place`),
//! or an archived integration that an update revives (`revive`).

use crate::Platform;
use crate::model::credential::SealedCredential;
use crate::model::field::slug;
use crate::model::integration::{Content, Integration, State};
use crate::store::integrations::{self, Inserted, New, find, find_archived, insert};
use kernel::{Error, Result};

use super::draft::Draft;

/// Most slugs that are tried for one name: the one derived from the name, then numbered ones.
const MOST_SLUGS: u32 = 50;

/// Most attempts to store a draft, as a new integration or over the archived one of its name. An attempt fails if
/// another request archives or revives an integration of that name in between.
const MOST_CHOICES: u32 = 5;

/// How a draft is to be stored.
pub struct Placing<'a> {
    /// The slug that the client chose; without one, slugs are derived from the name.
    pub slug: Option<&'a str>,
    /// The state of the stored integration.
    pub state: State,
    /// Whether an archived integration of the same name is revived.
    pub revives: bool,
    /// The subject for whom the stored integration is read.
    pub viewer: &'a str,
}

/// Stores `draft` and returns the integration. Fails with [`Code::Duplicate`](kernel::Code::Duplicate) if the name or
/// the slug that the client chose is taken, and with [`Code::Conflict`](kernel::Code::Conflict) if an archived
/// integration has the name and `placing` does not revive it.
pub async fn place(platform: &Platform, draft: &Draft, placing: &Placing<'_>) -> Result<Integration> {
    let mut archived: Option<String> = None;
    for _ in 0..MOST_CHOICES {
        let comes_back = archived.is_some();
        let id = archived.map_or_else(|| platform.uuid().map(|id| id.to_string()), Ok)?;
        let (content, credential) = draft.seal(platform, &id)?;
        let is_stored = under_slug(placing.slug, &content.name, async |slug| {
            let (state, credential) = (placing.state, credential.as_ref());
            let new = New { id: &id, slug, content: &content, state, credential };
            if comes_back { integrations::revive(platform, &new).await } else { insert(platform, &new).await }
        });
        if is_stored.await? {
            let stored = find(platform, placing.viewer, &id).await?;
            return stored.ok_or_else(|| Error::internal("the new integration cannot be found"));
        }
        if !placing.revives {
            return Err(Error::conflict(
                "an archived integration has this name: send confirmUnarchive: true to revive it",
            ));
        }
        // Another request may have revived the archived integration: the next insert then finds the name taken.
        archived = find_archived(platform, &draft.name).await?.map(|found| found.id);
    }
    Err(Error::conflict("others are changing this integration: try again"))
}

/// Revives the archived integration `id`: stores it as running, under the first free slug of its name. Returns
/// `false` if the integration is not archived any more.
pub async fn revive(
    platform: &Platform,
    id: &str,
    content: &Content,
    credential: Option<&SealedCredential>,
) -> Result<bool> {
    under_slug(None, &content.name, async |slug| {
        let new = New { id, slug, content, state: State::Running, credential };
        integrations::revive(platform, &new).await
    })
    .await
}

/// Stores the integration `name` under the slug `chosen`; without one, under the first slug of `name` that no other
/// integration has. `store` tries one slug. Returns `true` if the integration was stored, `false` if `store` returned
/// [`Inserted::NameArchived`] or [`Inserted::NotArchived`].
async fn under_slug(
    chosen: Option<&str>,
    name: &str,
    store: impl AsyncFn(&str) -> Result<Inserted>,
) -> Result<bool> {
    for attempt in 0..MOST_SLUGS {
        let slug = chosen.map_or_else(|| slug(name, attempt), ToOwned::to_owned);
        match store(&slug).await? {
            Inserted::Done => return Ok(true),
            Inserted::NameArchived | Inserted::NotArchived => return Ok(false),
            Inserted::NameTaken => {
                return Err(Error::duplicate("an integration with this name already exists"));
            }
            Inserted::SlugTaken if chosen.is_some() => {
                return Err(Error::duplicate("an integration with this id is already installed"));
            }
            Inserted::SlugTaken => {}
        }
    }
    Err(Error::conflict("too many integrations have names like this one"))
}
