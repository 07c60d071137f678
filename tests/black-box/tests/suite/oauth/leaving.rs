//! Agents that leave while their call renews a token, and users who leave while they disconnect.

use std::time::Duration;

use anyhow::{Result, ensure};
use black_box::{
    api::Api,
    eventually,
    mcp::Request,
    raw::{Connection, Leaving},
};
use serde_json::json;

use super::World;

/// How long an instance uses what it remembers.
const FORGOTTEN: Duration = Duration::from_millis(5_300);
/// For how long the token endpoint holds back its answer.
const HELD: Duration = Duration::from_secs(1);

fn whoami() -> Result<Request> {
    Request::modern(json!(1), "tools/call", json!({"name": "whoami", "arguments": {"nonce": "n"}}))
}

/// The provider has rotated the token when the agent leaves; the answer comes later.
#[tokio::test]
async fn an_agent_that_leaves_during_a_refresh_loses_no_grant() -> Result<()> {
    let world = World::new(json!({})).await?;
    let oauth = json!({"tokenUrl": world.provider.lossy()});
    let integration = world.integration("Left", &world.provider.mcp(), oauth).await?;
    let key = world.postern.insert_key("leaver", &["developer"], None).await?;
    let user: Api = world.postern.caller(&key)?;
    world.connect_first(&user, "leaver", &integration).await?;
    for leaving in [Leaving::Resets, Leaving::Closes, Leaving::Resets] {
        let expire = "UPDATE credentials SET expires_at = CAST(unixepoch('now') * 1000 + 30000 AS INTEGER) RETURNING sealed";
        let before = world.postern.sql(expire, json!([])).await?;
        tokio::time::sleep(FORGOTTEN).await;
        world.provider.set(json!({"hold": 1_000})).await?;
        let passed = world.provider.seen().await?["passed"].as_u64();
        let connection =
            Connection::send_mcp(&world.postern, &key, &integration.path(), "application/json", &whoami()?)
                .await?;
        eventually("the refresh reaches the provider", async || {
            Ok((world.provider.seen().await?["passed"].as_u64() > passed).then_some(()))
        })
        .await?;
        connection.leave(leaving)?;
        tokio::time::sleep(HELD).await;
        eventually("the renewed token is stored", async || {
            let sql = "SELECT sealed FROM credentials WHERE status = 'active' AND lease_until = 0";
            let now = world.postern.sql(sql, json!([])).await?;
            Ok((now.len() == 1 && now != before).then_some(()))
        })
        .await?;
        world.provider.set(json!({"hold": 0})).await?;
    }
    // A token that was not stored would be asked for again, and the old one refused.
    let (renewed, refused) = world.provider.token_requests("refresh_token").await?;
    ensure!((renewed, refused) == (3, 0), "{renewed} refreshes, {refused} refused");
    ensure!(world.provider.seen().await?["replayed"] == 0, "a refresh was made twice");
    whoami()?.send(&user, &integration.path()).await?.result(&json!(1))?;
    Ok(())
}
