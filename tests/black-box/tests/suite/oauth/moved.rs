//! An integration that moves to another server: tokens stay with the server that they were granted for.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stub_upstream::Stub;

use super::{World, init, is_page, link, read_whoami, text, whoami};
use crate::{fixtures, registry, registry::path};

/// Checks that a server was asked, and never with a credential of any kind.
fn got_no_credential(stub: &Stub) -> Result<()> {
    let requests = stub.requests();
    ensure!(!requests.is_empty(), "the new server was never asked");
    for request in requests {
        ensure!(request.header("authorization").is_none(), "a token reached the new server: {request:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_server_does_not_get_the_oauth_tokens_of_the_former_one() -> Result<()> {
    let world = World::new(json!({})).await?;
    let new = fixtures::stub()?;
    new.set_tool(json!({"name": "whoami", "inputSchema": {"type": "object"}}));
    let integration = world.integration("Moving", &world.provider.mcp(), json!({})).await?;
    let (user, other) = (world.user("user").await?, world.user("other").await?);
    world.connect_first(&user, "user", &integration).await?;
    ensure!(whoami(&user, &integration.slug).await?["sub"] == "user");
    // Another user is at the authorization server when the integration moves.
    let started = init(&other, &integration.id).await?;
    let browser = world.browser("other")?;
    let back = browser.consent(text(&started, "authorizationUrl")?).await?;

    let move_to = async |url: String| -> Result<()> {
        world.admin()?.patch(&path(&integration.id, ""), &json!({"url": url})).await?.expect(200)?;
        world.postern.settled(&integration.id).await.map(drop)
    };
    move_to(new.url("/modern")).await?;
    let refused = browser.open(&back).await?;
    is_page(&refused, 400).context("the sign-in of the former server")?;
    let rows = world.postern.sql("SELECT id FROM credentials", json!([])).await?;
    ensure!(rows.is_empty(), "{rows:?}");

    // Neither the jobs nor calls present a token to the new server; the users are told to connect.
    let due = "UPDATE integrations SET next_validation_at = 0 RETURNING id";
    world.postern.sql(due, json!([])).await?;
    world.postern.tick().await?;
    for user in [&user, &other] {
        fixtures::seen(&world.postern, "the call is refused", async || {
            let result = registry::call(user, &integration.slug, "whoami", json!({})).await?;
            Ok((result["isError"] == true).then_some(()))
        })
        .await?;
        let (reason, _) = link(user, &integration.slug, "whoami").await?;
        ensure!(reason == "you have not connected it yet", "{reason}");
    }
    got_no_credential(&new)?;

    // Back at the former server the grants are gone, too: both connect anew.
    move_to(world.provider.mcp()).await?;
    for (user, account) in [(&user, "user"), (&other, "other")] {
        world.connect_first(user, account, &integration).await?;
        let who = fixtures::seen(&world.postern, "the new token is used", async || {
            let result = registry::call(user, &integration.slug, "whoami", json!({})).await?;
            Ok((result["isError"] != true).then_some(result))
        })
        .await?;
        ensure!(read_whoami(&who)?["sub"] == account, "{who}");
    }
    got_no_credential(&new)
}
