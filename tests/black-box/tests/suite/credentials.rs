//! Credentials when an integration moves to another server.

use anyhow::{Result, ensure};
use black_box::api::Api;
use serde_json::json;
use stub_upstream::Stub;

use crate::{
    agent_by_hand::{Agent, Modern},
    fixtures,
    registry::{self, path},
};

/// Whether any request that the stub got carries this text in a header.
fn was_sent(stub: &Stub, secret: &str) -> bool {
    stub.requests().iter().any(|request| format!("{:?}", request.headers).contains(secret))
}

async fn is_connected(user: &Api, id: &str) -> Result<bool> {
    let shown = user.get(&path(id, "connection")).await?.expect(200)?;
    Ok(shown["connection"]["connected"] == true)
}

/// The new server gets neither the organization's credential nor a user's, from no probe, job or call.
#[tokio::test]
async fn a_new_server_does_not_get_the_credentials_of_the_former_one() -> Result<()> {
    let postern = fixtures::postern_with(registry::settings()?).await?;
    let (old, new) = (fixtures::stub()?, fixtures::stub()?);
    let (admin, user) =
        (postern.admin()?, postern.caller(&postern.insert_key("ada", &["developer"], None).await?)?);
    let shared = json!({"name": "Shared", "url": old.url("/modern"), "authMode": "server_token",
                        "serverToken": "canary-of-the-organization"});
    let own = json!({"name": "Own", "url": old.url("/modern"), "authMode": "user_token"});
    let (shared, own) = (postern.register_with(shared).await?, postern.register_with(own).await?);
    user.post(&path(&own.id, "connection"), &json!({"token": "canary-of-ada"})).await?.expect(201)?;
    for slug in [&shared.slug, &own.slug] {
        registry::echo(&user, slug, "before").await?;
    }
    ensure!(was_sent(&old, "canary-of-the-organization") && was_sent(&old, "canary-of-ada"));

    for integration in [&shared, &own] {
        let moved = admin
            .patch(&path(&integration.id, ""), &json!({"url": new.url("/modern")}))
            .await?
            .expect(200)?;
        ensure!(moved["integration"]["serverTokenConfigured"] == false, "{moved}");
        postern.settled(&integration.id).await?;
    }
    ensure!(!is_connected(&user, &own.id).await?, "the user is still connected");
    postern.sql("UPDATE integrations SET next_validation_at = 0 RETURNING id", json!([])).await?;
    postern.tick().await?;
    for slug in [&shared.slug, &own.slug] {
        // Whatever the answer is: on Spin another instance may remember the former server for 5 s.
        let agent = Agent::open(Modern, user.clone(), &format!("/integrations/{slug}/mcp")).await?;
        agent.call(json!("after"), "echo", json!({"message": "after"})).await?;
    }
    ensure!(!new.requests().is_empty(), "the new server was never asked");
    ensure!(!was_sent(&new, "canary"), "{:?}", new.requests());
    let rows = postern.sql("SELECT id FROM credentials", json!([])).await?;
    ensure!(rows.is_empty(), "{rows:?}");

    // What is given anew goes to the new server.
    admin
        .patch(&path(&shared.id, ""), &json!({"serverToken": "second-of-the-organization"}))
        .await?
        .expect(200)?;
    black_box::eventually("the new token is used", async || {
        Ok(was_sent(&new, "second-of-the-organization").then_some(()))
    })
    .await
}
