//! Storing an integration under its slug: a new one (`place`), also in the place of an archived one where that is wanted,
//! or an archived one that an update brings back (`revive`).

use crate::Platform;
use crate::model::credential::SealedCredential;
use crate::model::field::slug;
use crate::model::integration::{Content, Integration, State};
use crate::store::integrations::{self, Inserted, New, find, find_archived, insert};
use kernel::{Error, Result};

use super::draft::Draft;

/// Slugs that are tried for one name: its own, then numbered ones.
const MOST_SLUGS: u32 = 50;

/// How often the choice between a new integration and the archived one of that name is made again, because another
/// request archived or revived one in between.
const MOST_CHOICES: u32 = 5;

/// How a draft is to be stored.
pub struct Placing<'a> {
    /// The slug that the client chose; else one is derived from the name.
    pub slug: Option<&'a str>,
    /// Whether the integration is in use at once.
    pub state: State,
    /// Whether an archived integration of that name comes back.
    pub revives: bool,
    /// The subject for whom the stored integration is read.
    pub viewer: &'a str,
}

/// Stores `draft`. A taken name, or a taken slug that the client chose, is a duplicate.
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
        // Another request may have revived the archived integration: then the next insert finds its name taken.
        archived = find_archived(platform, &draft.name).await?.map(|found| found.id);
    }
    Err(Error::conflict("others are changing this integration: try again"))
}

/// Brings the archived integration `id` back, in use and under the first free slug of its name. `false` when `id` is not
/// archived any more.
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
/// integration has. `store` tries one slug. `false` when `store` found [`Inserted::NameArchived`].
async fn under_slug(
    chosen: Option<&str>,
    name: &str,
    store: impl AsyncFn(&str) -> Result<Inserted>,
) -> Result<bool> {
    for attempt in 0..MOST_SLUGS {
        let slug = chosen.map_or_else(|| slug(name, attempt), ToOwned::to_owned);
        match store(&slug).await? {
            Inserted::Done => return Ok(true),
            Inserted::NameArchived => return Ok(false),
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
