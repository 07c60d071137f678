//! Credentials when something changes: an integration that moves to another server, and users whose tokens are wrong.

use anyhow::{Result, ensure};
use black_box::{Upstream, api::Api};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

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

/// Three wrong tokens of one user: that user's connection is of no use, and nothing else changes in either dialect.
#[tokio::test]
async fn wrong_tokens_of_one_user_say_nothing_about_the_integration() -> Result<()> {
    let postern = fixtures::postern_with(registry::settings()?).await?;
    let stub = Upstream::stub(Options { require_bearer: Some("right".into()), ..Options::default() })?;
    let body = json!({"name": "Theirs", "url": stub.url("/modern"), "authMode": "user_token"});
    let integration = postern.register_with(body).await?;
    let (admin, connection) = (postern.admin()?, path(&integration.id, "connection"));
    let ada = postern.caller(&postern.insert_key("ada", &["developer"], None).await?)?;
    let bob = postern.caller(&postern.insert_key("bob", &["developer"], None).await?)?;
    ada.post(&connection, &json!({"token": "right"})).await?.expect(201)?;
    black_box::eventually("the tools are known", async || {
        let tools = admin.get(&format!("/integrations/{}/tools", integration.slug)).await?;
        Ok((tools.status == 200 && tools.json()?["tools"].as_array().is_some_and(|tools| tools.len() == 7))
            .then_some(()))
    })
    .await?;
    let views = async || -> Result<(Value, Value)> {
        let kontext = postern.integration(&integration.id).await?.object;
        let mut hoziron =
            admin.get(&format!("/integrations/{}/status", integration.slug)).await?.expect(200)?;
        hoziron["uptime_secs"] = Value::Null;
        Ok((kontext, hoziron))
    };
    let before = views().await?;
    ensure!(before.0["validationStatus"] == "valid" && before.1["status"] == "running", "{before:?}");
    for attempt in 1..=3 {
        bob.post(&connection, &json!({"token": format!("wrong-{attempt}")})).await?.expect(201)?;
        black_box::eventually("the connection is of no use", async || {
            Ok((!is_connected(&bob, &integration.id).await?).then_some(()))
        })
        .await?;
        let now = views().await?;
        ensure!(now == before, "attempt {attempt}: {before:?}, then {now:?}");
    }
    ensure!(is_connected(&ada, &integration.id).await?, "another user's connection was touched");
    registry::echo(&ada, &integration.slug, "still").await?;
    bob.post(&connection, &json!({"token": "right"})).await?.expect(201)?;
    ensure!(is_connected(&bob, &integration.id).await?);
    Ok(())
}
