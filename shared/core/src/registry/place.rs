//! Storing a draft under its slug, in the place of an archived integration where that is wanted.

use crate::model::integration::{Integration, State, slug};
use crate::store::integrations::{Inserted, New, find, find_archived, insert, revive};
use kernel::{Error, Result};
use crate::Platform;

use super::draft::Draft;

/// Slugs that are tried for one name, and a few tries more for what others do meanwhile.
const MOST_TRIES: u32 = 55;

/// How a draft is to be stored.
pub struct Placing<'a> {
    /// The slug that the client chose; else one is derived from the name.
    pub slug: Option<&'a str>,
    /// Whether it is in use at once.
    pub state: State,
    /// Whether an archived integration of that name comes back.
    pub revives: bool,
    /// Who will read it.
    pub viewer: &'a str,
}

/// Stores `draft`. A taken name, or a taken slug that the client chose, is a duplicate.
pub async fn place(platform: &Platform, draft: &Draft, placing: &Placing<'_>) -> Result<Integration> {
    let mut archived: Option<String> = None;
    let mut attempt = 0;
    for _ in 0..MOST_TRIES {
        let id = match &archived {
            Some(id) => id.clone(),
            None => platform.uuid()?.to_string(),
        };
        let (content, credential) = draft.seal(platform, &id)?;
        let slug = placing.slug.map_or_else(|| slug(&draft.name, attempt), ToOwned::to_owned);
        let new = New {
            id: &id,
            slug: &slug,
            content: &content,
            state: placing.state,
            credential: credential.as_ref(),
        };
        let inserted = match archived {
            Some(_) => revive(platform, &new).await?,
            None => insert(platform, &new).await?,
        };
        match inserted {
            Inserted::Done => {
                let stored = find(platform, placing.viewer, &id).await?;
                return stored.ok_or_else(|| Error::internal("the new integration cannot be found"));
            }
            Inserted::SlugTaken if placing.slug.is_some() => {
                return Err(Error::duplicate("an integration with this id is already installed"));
            }
            Inserted::SlugTaken => attempt += 1,
            Inserted::NameTaken => {
                return Err(Error::duplicate("an integration with this name already exists"));
            }
            Inserted::NameArchived if placing.revives => {
                // Somebody else may have revived it since: then the next insert tells.
                archived = find_archived(platform, &draft.name).await?.map(|found| found.id);
            }
            Inserted::NameArchived => {
                return Err(Error::conflict(
                    "an archived integration has this name: send confirmUnarchive: true to revive it",
                ));
            }
        }
    }
    Err(Error::conflict("too many integrations have names like this one"))
}
