//! Upstreams that want consent: connecting to them, and discovering what connecting takes.

use anyhow::{Context as _, Result, ensure};
use black_box::oauth::{PUBLIC_URL, parameter};
use serde_json::{Value, json};

use super::super::{World, arrived, is_256_bits, text, whoami};
use super::{CONNECTIONS, CUSTOM, DISCOVER, get, lease, refused, synced};
use crate::{dialects::keys, fixtures, registry};

/// Makes a connection by OAuth, and checks the whole answer.
async fn connect_oauth(world: &World, body: Value) -> Result<Value> {
    let created = world.admin()?.post(CUSTOM, &body).await?.expect(201)?;
    ensure!(keys(&created) == ["authorize_url", "connection_id", "state", "status", "vendor"], "{created}");
    ensure!(created["status"] == "pending_oauth" && created["vendor"] == "custom_mcp", "{created}");
    let url = text(&created, "authorize_url")?;
    ensure!(parameter(url, "state")?.as_deref() == created["state"].as_str(), "{created}");
    ensure!(is_256_bits(text(&created, "state")?), "{created}");
    let callback = "/v1/integrations/oauth/callback";
    let is_by_hand = body["oauth_client_id"].is_string();
    let redirect =
        if is_by_hand { format!("{PUBLIC_URL}{callback}") } else { world.provider.redirect_uri(callback) };
    ensure!(parameter(url, "redirect_uri")? == Some(redirect), "{created}");
    Ok(created)
}

#[tokio::test]
async fn oauth_is_pending_until_a_person_has_consented() -> Result<()> {
    let world = World::new(json!({})).await?;
    let url = world.provider.mcp();
    let body = json!({
        "nickname": "Feather oauth", "server_url": url, "auth_type": "oauth", "oauth_scopes": ["mcp:read", "mcp:write"],
    });
    let created = connect_oauth(&world, body).await?;
    let id = text(&created, "connection_id")?.to_owned();
    assert_eq!(get(&world, &id).await?["status"], "pending_oauth");
    let early = lease(&world, &id).await?;
    assert_eq!((&early["ok"], early["detail"].is_string()), (&json!(false), true), "{early}");

    let browser = world.browser("feather")?;
    let back = browser.consent(text(&created, "authorize_url")?).await?;
    arrived(&browser.finish(&back).await?, "/oauth/connected")?;
    let integration = synced(&world, &id).await?;
    assert_eq!(get(&world, &id).await?["status"], "active");
    assert_eq!(lease(&world, &id).await?, json!({"ok": true, "url": url}));
    world.tools_known(&integration).await?;
    let me = whoami(&world.developer()?, &integration.slug).await?;
    assert_eq!((&me["sub"], &me["scopes"]), (&json!("feather"), &json!(["mcp:read", "mcp:write"])), "{me}");
    let result = registry::call(&world.developer()?, &integration.slug, "write", json!({})).await?;
    assert_eq!(black_box::mcp::text(&result), "written", "{result}");

    // Deleting the connection also revokes the grant at the authorization server.
    let issued = world.provider.issued().await?;
    world.admin()?.delete(&format!("{CONNECTIONS}/{id}")).await?.expect(204)?;
    let seen = world.provider.seen().await?;
    assert_eq!(seen["revocations"].as_array().map(Vec::len), Some(1), "{}", seen["revocations"]);
    assert_eq!(seen["revocations"][0]["ok"], true);
    for token in issued.iter().filter(|token| !token.contains('.')) {
        assert!(!world.provider.is_active(token).await?);
    }
    Ok(())
}

/// The customer's URLs of the authorization server take precedence over those in its metadata.
#[tokio::test]
async fn the_customers_urls_take_precedence_over_discovered_ones() -> Result<()> {
    let world = World::new(json!({})).await?;
    let (url, lossy) = (world.provider.mcp(), world.provider.lossy());
    let client = world.provider.client_secret.clone();

    // Only the token endpoint is given: the rest is discovered, and Postern registers its client.
    let body = json!({"nickname": "Feather token url", "server_url": url, "auth_type": "oauth", "oauth_token_url": lossy});
    let created = connect_oauth(&world, body).await?;
    let browser = world.browser("feather")?;
    let back = browser.consent(text(&created, "authorize_url")?).await?;
    arrived(&browser.finish(&back).await?, "/oauth/connected")?;
    let seen = world.provider.seen().await?;
    assert_eq!((&seen["passed"], seen["registrations"].as_array().map(Vec::len)), (&json!(1), Some(1)));

    // Every URL is given, and a client of the customer's.
    let authorize = format!("{}/auth", world.provider.issuer.replace("127.0.0.1", "localhost"));
    let body = json!({
        "nickname": "Feather all urls", "server_url": url, "auth_type": "oauth", "oauth_token_url": lossy,
        "oauth_authorize_url": authorize, "oauth_client_id": "confidential", "oauth_client_secret": client,
        "oauth_scopes": ["mcp:read"],
    });
    let created = connect_oauth(&world, body).await?;
    let given = text(&created, "authorize_url")?;
    assert!(given.starts_with(&format!("{authorize}?")), "{given}");
    assert_eq!(parameter(given, "client_id")?.as_deref(), Some("confidential"));
    let back = browser.consent(&given.replace("localhost", "127.0.0.1")).await?;
    arrived(&browser.finish(&back).await?, "/oauth/connected")?;
    let seen = world.provider.seen().await?;
    let last = seen["tokens"].as_array().and_then(|tokens| tokens.last()).context("no token request")?;
    assert_eq!((&last["client"], &last["auth"]), (&json!("confidential"), &json!("basic")), "{last}");
    assert_eq!((&seen["passed"], seen["registrations"].as_array().map(Vec::len)), (&json!(2), Some(1)));
    let integration = synced(&world, text(&created, "connection_id")?).await?;
    world.tools_known(&integration).await?;
    assert_eq!(whoami(&world.developer()?, &integration.slug).await?["sub"], "feather");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_cannot_begin_is_not_kept() -> Result<()> {
    let world = World::new(json!({"registration": false})).await?;
    let stub = fixtures::stub()?;
    for (label, url) in [
        ("registers nobody", world.provider.mcp()),
        ("has no authorization server", stub.url("/modern")),
        ("is not there", "http://127.0.0.1:9/mcp".to_owned()),
    ] {
        let body = json!({"nickname": "Feather cannot", "server_url": url, "auth_type": "oauth"});
        refused(&world.admin()?.post(CUSTOM, &body).await?, 502).context(label)?;
        let listed = world.admin()?.get(CONNECTIONS).await?.expect(200)?;
        assert_eq!(listed, json!([]), "{label}");
    }
    // With a client of the customer's the connection begins, under the same nickname.
    let body = json!({
        "nickname": "Feather cannot", "server_url": world.provider.mcp(), "auth_type": "oauth",
        "oauth_client_id": "confidential", "oauth_client_secret": world.provider.client_secret,
    });
    connect_oauth(&world, body).await?;
    Ok(())
}

#[tokio::test]
async fn discover_says_what_connecting_takes_and_writes_nothing() -> Result<()> {
    let (world, stub) = (World::new(json!({})).await?, fixtures::stub()?);
    let strict = World::new(json!({"registration": false})).await?;
    let before = world.postern.contents().await?;
    let discover = async |body: Value| world.admin()?.post(DISCOVER, &body).await;
    let issuer = &world.provider.issuer;
    let expected = json!({
        "supports_dcr": true, "authorize_url": format!("{issuer}/auth"), "token_url": format!("{issuer}/token"),
        "scopes": ["mcp:read"],
    });
    for transport in [json!(null), json!("sse"), json!("http"), json!("auto"), json!("streamable_http")] {
        let body = json!({"server_url": world.provider.mcp(), "transport": transport});
        assert_eq!(discover(body).await?.expect(200)?, expected, "{transport}");
    }
    let found = discover(json!({"server_url": strict.provider.mcp()})).await?.expect(200)?;
    assert_eq!(found["supports_dcr"], false, "{found}");
    assert_eq!(found["token_url"], format!("{}/token", strict.provider.issuer), "{found}");
    for url in [stub.url("/modern"), "http://127.0.0.1:9/mcp".to_owned()] {
        let found = discover(json!({"server_url": url})).await?.expect(200)?;
        assert_eq!(found, json!({"supports_dcr": false, "scopes": []}), "{url}");
    }
    for body in [
        json!({}),
        json!({"server_url": 1}),
        json!({"server_url": "not a url"}),
        json!({"server_url": "http://10.0.0.1/mcp"}),
        json!({"server_url": "https://169.254.169.254/"}),
        json!({"server_url": stub.url("/modern"), "transport": "carrier-pigeon"}),
        json!({"server_url": stub.url("/modern"), "nickname": "x"}),
    ] {
        refused(&discover(body.clone()).await?, 400).with_context(|| body.to_string())?;
    }
    refused(&world.postern.stranger()?.post(DISCOVER, &json!({})).await?, 401)?;
    refused(&world.developer()?.post(DISCOVER, &json!({"server_url": stub.url("/modern")})).await?, 403)?;
    assert_eq!(world.postern.contents().await?, before);
    Ok(())
}
