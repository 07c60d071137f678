//! A database server closes connections that are idle for 10 s. Only runs on Spin with `POSTERN_SPIN_SQLITE=remote` have
//! such a database; other runs skip these tests.

use std::time::Duration;

use anyhow::{Result, ensure};
use black_box::{environment, mcp};
use serde_json::json;

use crate::{
    agent_by_hand::{Agent, Modern},
    fixtures,
};

/// A call in progress keeps the component's instance alive, with its open connections, while nothing uses the database.
#[tokio::test]
async fn an_instance_outlives_its_connections() -> Result<()> {
    const LONGER_THAN_THE_SERVER_WAITS: Duration = Duration::from_secs(11);
    if !environment::is_spin_sqlite_remote()? {
        return Ok(());
    }
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let integration = postern.register("Long", &stub.url("/modern")).await?;
    let agent = Agent::open(Modern, postern.admin()?, &integration.path()).await?;
    let arguments = json!({"steps": 1, "gate": "long"});
    let mut events = agent.stream(json!("long"), "gated_progress", arguments, json!("token")).await?;
    ensure!(events.message().await?["method"] == "notifications/progress");

    tokio::time::sleep(LONGER_THAN_THE_SERVER_WAITS).await;
    for id in ["one", "two"] {
        let reply = agent.call(json!(id), "echo", json!({"message": id})).await?;
        ensure!(mcp::text(reply.result(&json!(id))?) == format!("Echo: {id}"), "{reply:?}");
    }
    stub.release("long");
    ensure!(mcp::text(&events.message().await?["result"]) == "done");
    postern.audit("tool_name IN ('long__echo', 'long__gated_progress')", json!([]), 3).await?;
    ensure!(!postern.console().contains("STREAM_EXPIRED"), "{}", postern.console());
    Ok(())
}
