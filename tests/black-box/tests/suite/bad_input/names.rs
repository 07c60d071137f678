//! Names that are taken and names that lead to the same slug.

use anyhow::Result;
use serde_json::json;

use super::{INTEGRATIONS, kontext, refused};
use crate::fixtures;

#[tokio::test]
async fn a_duplicate_name_is_409() -> Result<()> {
    for name in ["Taken", "  Taken "] {
        let body = json!({"name": name, "url": "https://other.example.com/mcp"});
        let answer =
            refused(name, 409, async |world| world.postern.admin()?.post(INTEGRATIONS, &body).await).await?;
        kontext(&answer)?;
    }
    Ok(())
}

#[tokio::test]
async fn two_creations_of_one_name_at_the_same_time_make_one_integration() -> Result<()> {
    let postern = fixtures::postern().await?;
    let api = postern.admin()?;
    let body =
        json!({"name": "Race", "url": "https://race.invalid/mcp", "category": "internal_mcp_credentials"});
    let answers = futures_util::future::join_all((0..8).map(|_| api.post(INTEGRATIONS, &body))).await;
    let mut statuses = answers.into_iter().map(|answer| Ok(answer?.status)).collect::<Result<Vec<_>>>()?;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(postern.sql("SELECT id FROM integrations", json!([])).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn names_that_lead_to_the_same_slug_get_slugs_of_their_own() -> Result<()> {
    let postern = fixtures::postern().await?;
    let mut slugs = Vec::new();
    for name in ["My Tools", "my-tools", "My  Tools!", "Ünïcode", "日本語", "__"] {
        let body =
            json!({"name": name, "url": "https://slug.invalid/mcp", "category": "internal_mcp_credentials"});
        let slug = postern.create(body).await?.slug;
        assert!(!slug.contains("__") && !slug.is_empty(), "{name}: {slug}");
        assert!(
            slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{name}: {slug}"
        );
        assert!(!slugs.contains(&slug), "{name}: {slug} twice");
        slugs.push(slug);
    }
    assert_eq!(slugs[0], "my-tools");
    Ok(())
}
