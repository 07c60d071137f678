//! Probing upstreams: after a registration, and on schedule.

use anyhow::{Context as _, Result};
use black_box::Postern;
use serde_json::json;

use crate::fixtures;

/// A new integration is pending, and is probed after the answer without another request.
#[tokio::test]
async fn a_new_integration_is_probed_after_the_answer() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let created =
        postern.create(json!({"name": "Fresh", "url": stub.url("/modern"), "authMode": "none"})).await?;
    assert_eq!(created.object["validationStatus"], "pending");
    assert_eq!(created.slug, "fresh");
    black_box::eventually("the new integration is valid", async || {
        let status = postern.integration(&created.id).await?.object["validationStatus"].clone();
        Ok((status == "valid").then_some(()))
    })
    .await?;
    let tools = fixtures::modern_tools(&postern.admin()?, &created.path()).await?;
    assert_eq!(tools.len(), 7);
    Ok(())
}

/// Makes every integration due at once.
async fn make_due(postern: &Postern) -> Result<()> {
    let sql = "UPDATE integrations SET next_validation_at = 0, validation_lease_until = 0 RETURNING id";
    postern.sql(sql, json!([])).await.map(drop)
}

#[tokio::test]
async fn the_scheduled_validation_marks_a_dead_upstream_and_refreshes_a_live_one() -> Result<()> {
    let postern = fixtures::postern().await?;
    let (dead, live) = (fixtures::stub()?, fixtures::stub()?);
    let dead_one = postern.register("Dead", &dead.url("/legacy")).await?;
    let live_one = postern.register("Live", &live.url("/modern?tools=2")).await?;
    drop(dead);
    let sql = "UPDATE integrations SET url = ?1 WHERE id = ?2 RETURNING id";
    postern.sql(sql, json!([live.url("/modern"), live_one.id])).await?;

    postern.tick().await?;
    assert_eq!(
        postern.integration(&dead_one.id).await?.object["validationStatus"],
        "valid",
        "an integration that was not due was probed"
    );

    make_due(&postern).await?;
    postern.tick().await?;
    let after = postern.integration(&dead_one.id).await?.object;
    assert_eq!(after["validationStatus"], "invalid", "{after}");
    assert!(after["validationMessage"].as_str().unwrap_or_default().contains("cannot be reached"), "{after}");
    let after = postern.integration(&live_one.id).await?.object;
    assert_eq!(after["validationStatus"], "valid", "{after}");
    let tools = fixtures::modern_tools(&postern.admin()?, &live_one.path()).await?;
    assert_eq!(tools.len(), 7, "the new tools are listed: {tools:?}");

    // The integration becomes valid again without a request by the administrator.
    let back = fixtures::stub()?;
    postern.sql(sql, json!([back.url("/legacy"), dead_one.id])).await?;
    make_due(&postern).await?;
    postern.tick().await?;
    assert_eq!(postern.integration(&dead_one.id).await?.object["validationStatus"], "valid");
    Ok(())
}

/// A tool keeps its id for ever, so that a policy or an audit row that names the id stays true.
#[tokio::test]
async fn tool_ids_survive_a_refresh() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let integration = postern.register("Stable", &stub.url("/modern")).await?;
    let ids = async || postern.sql("SELECT id, name FROM catalogue_entries ORDER BY name", json!([])).await;
    let before = ids().await?;
    assert_eq!(before.len(), 7);
    for tool in &before {
        let id = tool["id"].as_str().context("no id")?;
        assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    postern.validate(&integration.id).await?;
    assert_eq!(ids().await?, before);
    Ok(())
}

/// One tick does a bounded number of validations, later ticks do the rest, and no integration is probed twice.
#[tokio::test]
async fn many_due_validations_are_spread_over_ticks_and_none_is_lost() -> Result<()> {
    const MANY: usize = 60;
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    for n in 0..MANY {
        postern.register(&format!("Due {n}"), &stub.url(&format!("/modern?tools=1&n={n}"))).await?;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    stub.forget_requests();
    make_due(&postern).await?;
    let mut ticks = 0;
    while !postern
        .sql("SELECT id FROM integrations WHERE next_validation_at = 0", json!([]))
        .await?
        .is_empty()
    {
        postern.tick().await?;
        ticks += 1;
        assert!(ticks <= MANY, "after {ticks} ticks an integration is still due");
    }
    assert!(ticks > 1, "{MANY} validations in one tick are not bounded");
    let mut probed: Vec<_> = stub
        .requests()
        .iter()
        .filter(|request| request.rpc_method().as_deref() == Some("server/discover"))
        .map(|request| request.path.clone())
        .collect();
    probed.sort();
    let count = probed.len();
    probed.dedup();
    assert_eq!((count, probed.len()), (MANY, MANY), "each is probed once");
    Ok(())
}

/// Two ticks at the same time share the work.
#[tokio::test]
async fn two_ticks_at_the_same_time_do_nothing_twice() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    for n in 0..4 {
        postern.register(&format!("Twice {n}"), &stub.url(&format!("/modern?tools=1&n={n}"))).await?;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    stub.forget_requests();
    make_due(&postern).await?;
    let (one, two) = tokio::join!(postern.tick(), postern.tick());
    one.and(two)?;
    let discovers =
        stub.requests().iter().filter(|r| r.rpc_method().as_deref() == Some("server/discover")).count();
    assert_eq!(discovers, 4);
    Ok(())
}
