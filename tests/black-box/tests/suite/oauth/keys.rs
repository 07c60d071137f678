//! What a deleted API key leaves at authorization servers: nothing.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{World, events};
use crate::keys::{KEYS, create};

#[tokio::test]
async fn the_grant_of_a_deleted_key_is_revoked_and_its_name_brings_nothing_back() -> Result<()> {
    let world = World::new(json!({})).await?;
    let body = json!({"name": "leaver", "roles": ["developer"]});
    let leaver = world.postern.caller(&create(&world.postern, body.clone()).await?)?;
    let integration = world.integration("Left behind", &world.provider.mcp(), json!({})).await?;
    world.connect_first(&leaver, "leaver", &integration).await?;
    // An authorization that is under way ends, too.
    super::init(&leaver, &integration.id).await?;
    let active = async || {
        let mut active = 0;
        for token in world.provider.issued().await?.iter().filter(|token| !token.contains('.')) {
            active += usize::from(world.provider.is_active(token).await?);
        }
        Ok::<_, anyhow::Error>(active)
    };
    ensure!(active().await? == 1, "one refresh token is active");
    let path = format!("/mcp/integrations/{}/oauth/connection", integration.id);
    ensure!(leaver.get(&path).await?.expect(200)?["connected"] == true);

    world.admin()?.delete(&format!("{KEYS}/leaver")).await?.expect(200)?;
    black_box::eventually("the grant is revoked", async || Ok((active().await? == 0).then_some(()))).await?;
    black_box::eventually("nothing of the key is left", async || {
        let rows = world.postern.number("SELECT count(*) AS n FROM credentials").await?;
        Ok((rows == 0).then_some(()))
    })
    .await?;
    assert_eq!(world.postern.number("SELECT count(*) AS n FROM oauth_flows").await?, 0);
    let seen = world.provider.seen().await?;
    assert_eq!(seen["revocations"].as_array().map(Vec::len), Some(1));
    let (last, _) = events(&world.postern, &integration).await?.pop().unwrap_or_default();
    assert_eq!(last, "token_deleted_admin");

    let again = world.postern.caller(&create(&world.postern, body).await?)?;
    assert_eq!(again.get(&path).await?.expect(200)?, json!({"connected": false}));
    Ok(())
}
