//! A user's connection from beginning to end: init, consent, callback, calls, refreshes, revocation.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration,
    api::Api,
    oauth::{CALLBACKS, parameter},
};
use serde_json::{Value, json};

use super::{UNKNOWN, World, arrived, events, from_now, init, is_256_bits, link, text, whoami};
use crate::dialects::{keys, kontext_refusal};
use crate::registry::path;
use crate::{fixtures, registry};

/// The caller's own entry in `GET /mcp/integrations`.
async fn item(user: &Api, integration: &Integration) -> Result<Option<Value>> {
    let listed = user.get("/mcp/integrations").await?.expect(200)?;
    ensure!(keys(&listed) == ["items"], "{listed}");
    let items = listed["items"].as_array().context("no items")?;
    Ok(items.iter().find(|item| item["id"] == integration.id).cloned())
}

fn connection_path(integration: &Integration) -> String {
    format!("/mcp/integrations/{}/oauth/connection", integration.id)
}

async fn connection(user: &Api, integration: &Integration) -> Result<Value> {
    user.get(&connection_path(integration)).await?.expect(200)
}

#[tokio::test]
async fn a_connection_from_beginning_to_end() -> Result<()> {
    // A token is not used in its last minute; this lifetime is a little longer.
    let world = World::new(json!({"accessTtl": 63})).await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let integration = world.integration("Whole life", &world.provider.mcp(), json!({})).await?;
    let slug = &integration.slug;
    registry::settled(&world.postern, &integration.id).await?;

    let shown = item(&alice, &integration).await?.context("not listed")?;
    let expected = json!({
        "id": integration.id, "slug": slug, "name": "Whole life", "url": world.provider.mcp(),
        "category": "gateway_remote_mcp", "connectType": "oauth", "authMode": "oauth", "requiresOauth": true,
        "connection": {"connected": false, "status": "disconnected"},
    });
    assert_eq!(shown, expected);
    assert_eq!(connection(&alice, &integration).await?, json!({"connected": false}));
    assert!(item(&world.guest()?, &integration).await?.is_none());

    begin_and_return(&world, &alice, &integration).await?;
    world.tools_known(&integration).await?;
    let validated = world.postern.validate(&integration.id).await?;
    assert_eq!(validated.object["validationStatus"], "valid", "{}", validated.object);
    let connected = connection(&alice, &integration).await?;
    assert_eq!(connected["connected"], true);
    let left = from_now(&world.postern, &connected["expires_at"]).await?;
    assert!((50_000..=63_000).contains(&left), "{left} ms left of {connected}");

    let first = whoami(&alice, slug).await?;
    assert_eq!((&first["sub"], &first["scopes"]), (&json!("alice"), &json!(["mcp:read"])), "{first}");
    assert_eq!(whoami(&alice, slug).await?["jti"], first["jti"]);
    assert_eq!(connection(&bob, &integration).await?, json!({"connected": false}));
    assert_eq!(link(&bob, slug, "whoami").await?.0, "you have not connected it yet");

    refresh(&world, &alice, &integration, &first).await?;
    revoke(&world, &alice, &integration).await
}

/// Init, consent and callback, with checks of the requests that the authorization server got.
async fn begin_and_return(world: &World, alice: &Api, integration: &Integration) -> Result<()> {
    let started = init(alice, &integration.id).await?;
    assert_eq!(keys(&started), ["authorizationUrl", "expiresAt", "state"]);
    assert!(is_256_bits(text(&started, "state")?), "{started}");
    let life = from_now(&world.postern, &started["expiresAt"]).await?;
    assert!((570_000..=600_000).contains(&life), "{life}");
    let browser = world.browser("alice")?;
    let url = text(&started, "authorizationUrl")?;
    let back = browser.consent(url).await?;
    assert_eq!(parameter(&back, "state")?.as_deref(), started["state"].as_str());
    arrived(&browser.finish(&back).await?, "/oauth/connected")?;

    let seen = world.provider.seen().await?;
    let registered = &seen["registrations"][0];
    assert_eq!(registered["client_name"], "Postern");
    assert_eq!(registered["application_type"], "web");
    assert_eq!(registered["grant_types"], json!(["authorization_code", "refresh_token"]));
    let callbacks = CALLBACKS.map(|path| world.provider.redirect_uri(path));
    assert_eq!(registered["redirect_uris"], json!(callbacks));
    let asked = &seen["authorizations"][0];
    assert_eq!(asked["client_id"], registered["client_id"]);
    assert_eq!(asked["resource"], world.provider.mcp());
    assert_eq!(asked["scope"], "mcp:read offline_access");
    let token = &seen["tokens"][0];
    assert_eq!((&token["grant"], &token["ok"]), (&json!("authorization_code"), &json!(true)), "{token}");
    assert_eq!(token["resource"], world.provider.mcp());
    assert_ne!(token["auth"], "none", "Postern has no client secret: {token}");
    Ok(())
}

/// A token that expires soon is renewed before its use, and the rotated refresh token serves the next refresh.
async fn refresh(world: &World, alice: &Api, integration: &Integration, first: &Value) -> Result<()> {
    // On a slow machine the first token may have been renewed already.
    let (before, _) = world.provider.token_requests("refresh_token").await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.provider.set(json!({"accessTtl": 3600})).await?;
    let second = whoami(alice, &integration.slug).await?;
    assert_eq!(second["sub"], "alice");
    assert_ne!(second["jti"], first["jti"]);
    assert_eq!(whoami(alice, &integration.slug).await?["jti"], second["jti"]);
    assert_eq!(world.provider.token_requests("refresh_token").await?, (before + 1, 0));
    let left = from_now(&world.postern, &connection(alice, integration).await?["expires_at"]).await?;
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");

    for count in 2..=4 {
        let due = "UPDATE credentials SET refresh_at = 1 WHERE integration_id = ?1 RETURNING owner";
        assert_eq!(world.postern.sql(due, json!([integration.id])).await?.len(), 1);
        let done = world.postern.job("refresh").await?.expect(200)?;
        assert_eq!(done, json!({"job": "refresh", "processed": 1}));
        assert_eq!(world.provider.token_requests("refresh_token").await?, (before + count, 0));
        let again = world.postern.job("refresh").await?.expect(200)?;
        assert_eq!(again, json!({"job": "refresh", "processed": 0}));
    }
    let third = fixtures::seen(&world.postern, "the scheduled job's token is used", async || {
        let now = whoami(alice, &integration.slug).await?;
        Ok((now["jti"] != second["jti"]).then_some(now))
    })
    .await?;
    assert_eq!(third["sub"], "alice");
    let seen = world.provider.seen().await?;
    for request in seen["tokens"].as_array().context("no token requests")? {
        assert_eq!(request["resource"], world.provider.mcp(), "{request}");
    }
    assert_eq!(seen["registrations"].as_array().map(Vec::len), Some(1));
    Ok(())
}

/// Revoking a connection also ends the grant at the provider.
async fn revoke(world: &World, alice: &Api, integration: &Integration) -> Result<()> {
    let tokens = world.provider.issued().await?;
    let mut active = 0;
    for token in tokens.iter().filter(|token| !token.contains('.')) {
        active += usize::from(world.provider.is_active(token).await?);
    }
    assert_eq!(active, 1, "one refresh token is active");
    let gone = alice.delete(&connection_path(integration)).await?;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    for token in tokens.iter().filter(|token| !token.contains('.')) {
        assert!(!world.provider.is_active(token).await?);
    }
    let seen = world.provider.seen().await?;
    assert_eq!(seen["revocations"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&seen["revocations"][0]["hint"], &seen["revocations"][0]["ok"]),
        (&json!("refresh_token"), &json!(true))
    );

    assert_eq!(connection(alice, integration).await?, json!({"connected": false}));
    alice.delete(&connection_path(integration)).await?.expect(204)?;
    let shown = item(alice, integration).await?.context("not listed")?;
    assert_eq!(shown["connection"], json!({"connected": false, "status": "disconnected"}));
    let reason = fixtures::seen(&world.postern, "calls say how to connect", async || {
        Ok(link(alice, &integration.slug, "whoami").await.ok())
    })
    .await?
    .0;
    assert_eq!(reason, "you have not connected it yet");
    let kinds: Vec<_> =
        events(&world.postern, integration).await?.into_iter().map(|(kind, _)| kind).collect();
    let (refreshes, _) = world.provider.token_requests("refresh_token").await?;
    let mut expected = vec!["connect_started", "connect_completed"];
    expected.extend(std::iter::repeat_n("refresh_succeeded", refreshes));
    expected.push("token_deleted_revoked");
    assert_eq!(kinds, expected);
    Ok(())
}

/// The provider ends a grant: Postern finds that out with one request, and the user is told to connect again.
#[tokio::test]
async fn a_grant_that_the_provider_ended() -> Result<()> {
    let world = World::new(json!({})).await?;
    let alice = world.user("alice").await?;
    let integration = world.integration("Ended", &world.provider.mcp(), json!({})).await?;
    world.connect_first(&alice, "alice", &integration).await?;
    whoami(&alice, &integration.slug).await?;

    // The upstream refuses the token: Postern renews the token and repeats the call once. The next call uses the
    // renewed token.
    let before = whoami(&alice, &integration.slug).await?;
    world.provider.set(json!({"refuse": true})).await?;
    let failed = registry::call(&alice, &integration.slug, "whoami", json!({})).await?;
    assert_eq!(failed["isError"], true, "{failed}");
    assert_eq!(world.provider.token_requests("refresh_token").await?, (1, 0), "one attempt, one retry");
    world.provider.set(json!({"refuse": false})).await?;
    let after = whoami(&alice, &integration.slug).await?;
    assert_ne!(before["jti"], after["jti"]);

    // A temporary failure of the provider keeps the connection.
    let unavailable = json!({"status": 503, "body": {"error": "temporarily_unavailable"}});
    world.provider.set(json!({"refuse": true, "failToken": unavailable})).await?;
    let failed = registry::call(&alice, &integration.slug, "whoami", json!({})).await?;
    let message = black_box::mcp::text(&failed);
    assert!(failed["isError"] == true && !message.contains("/oauth/connect"), "{failed}");
    assert_eq!(connection(&alice, &integration).await?["connected"], true);
    world.provider.set(json!({"refuse": false, "failToken": null})).await?;
    assert_eq!(whoami(&alice, &integration.slug).await?["sub"], "alice");

    // A final refusal ends the connection, and Postern does not ask again.
    let ended = json!({"status": 400, "body": {"error": "invalid_grant"}});
    world.provider.set(json!({"refuse": true, "failToken": ended})).await?;
    let asked = world.provider.seen().await?["tokens"].as_array().map(Vec::len);
    for _ in 0..4 {
        let (reason, _) = link(&alice, &integration.slug, "whoami").await?;
        assert_eq!(reason, "the connection has ended and has to be made again");
    }
    let asked_since = world.provider.seen().await?["tokens"].as_array().map(Vec::len);
    assert_eq!(asked_since, asked.map(|count| count + 1), "the refresh was tried once");
    assert_eq!(connection(&alice, &integration).await?["connected"], false);
    let due = world.postern.job("refresh").await?.expect(200)?;
    assert_eq!(due["processed"], 0);
    let kinds: Vec<_> =
        events(&world.postern, &integration).await?.into_iter().map(|(kind, _)| kind).collect();
    let expected = [
        "connect_started",
        "connect_completed",
        "refresh_succeeded",
        "refresh_failed_transient",
        "refresh_failed_revoked",
    ];
    assert_eq!(kinds, expected);

    // The user can connect again.
    world.provider.set(json!({"refuse": false, "failToken": null})).await?;
    world.connect(&alice, "alice", &integration).await?;
    fixtures::seen(&world.postern, "the new connection is used", async || {
        Ok(whoami(&alice, &integration.slug).await.ok())
    })
    .await?;
    Ok(())
}

/// When a call lacks scopes, the next authorization asks for them together with those that were granted.
#[tokio::test]
async fn more_rights_are_asked_for_when_a_call_needs_them() -> Result<()> {
    let world = World::new(json!({})).await?;
    let alice = world.user("alice").await?;
    let integration = world.integration("Step up", &world.provider.mcp(), json!({})).await?;
    world.connect_first(&alice, "alice", &integration).await?;
    let (reason, _) = link(&alice, &integration.slug, "write").await?;
    assert_eq!(reason, "the upstream wants more rights than were granted");
    assert_eq!(whoami(&alice, &integration.slug).await?["scopes"], json!(["mcp:read"]));
    assert_eq!(connection(&alice, &integration).await?["connected"], true);

    world.connect(&alice, "alice", &integration).await?;
    let seen = world.provider.seen().await?;
    let asked = seen["authorizations"].as_array().and_then(|all| all.last()).context("nothing was asked")?;
    assert_eq!(asked["scope"], "mcp:read mcp:write offline_access");
    fixtures::seen(&world.postern, "the user may write", async || {
        let result = registry::call(&alice, &integration.slug, "write", json!({})).await?;
        Ok((black_box::mcp::text(&result) == "written").then_some(()))
    })
    .await?;
    Ok(())
}

/// A user connects with another account: no upstream session of the former account is used any more.
#[tokio::test]
async fn another_account_gets_other_sessions() -> Result<()> {
    let world = World::new(json!({})).await?;
    let alice = world.user("alice").await?;
    let integration = world.integration("Accounts", &world.provider.legacy(), json!({})).await?;
    world.connect_first(&alice, "private", &integration).await?;
    for account in ["private", "work", "private"] {
        world.connect(&alice, account, &integration).await?;
        fixtures::seen(&world.postern, "the new account is used", async || {
            Ok((whoami(&alice, &integration.slug).await?["sub"] == account).then_some(()))
        })
        .await?;
    }
    assert_eq!(world.provider.seen().await?["crossed"], 0);
    Ok(())
}

#[tokio::test]
async fn refusals() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Refuses users", &world.provider.mcp(), json!({})).await?;
    let service = world.postern.insert_key("service", &["developer", "service"], None).await?;
    let service = world.postern.caller(&service)?;
    let init_path = |id: &str| format!("/mcp/integrations/{id}/oauth/init");
    for (method, path) in [
        ("POST", init_path(&integration.id)),
        ("GET", connection_path(&integration)),
        ("DELETE", connection_path(&integration)),
    ] {
        let stranger = world.postern.stranger()?.call(method, &path).await?;
        kontext_refusal(&stranger, 401, "authentication_required")
            .with_context(|| format!("{method} {path}"))?;
        kontext_refusal(&service.call(method, &path).await?, 403, "forbidden")?;
        kontext_refusal(&world.guest()?.call(method, &path).await?, 404, "not_found")?;
        let unknown = path.replace(&integration.id, UNKNOWN);
        kontext_refusal(&world.developer()?.call(method, &unknown).await?, 404, "not_found")?;
    }
    let developer = world.developer()?;
    for body in [
        json!({"returnTo": "https://evil.example"}),
        json!({"returnTo": "//evil.example"}),
        json!({"returnTo": 1}),
        json!({"return_url": "/"}),
        json!([]),
    ] {
        let answer = developer.post(&init_path(&integration.id), &body).await?;
        ensure!(answer.status == 400, "{body}: {} {}", answer.status, answer.text);
    }
    for (name, mode) in [("Refuses none", "none"), ("Refuses tokens", "user_token")] {
        let body = json!({"name": name, "url": world.provider.mcp(), "authMode": mode});
        let other = world.postern.create(body).await?;
        kontext_refusal(&developer.call("POST", &init_path(&other.id)).await?, 409, "conflict")?;
    }
    let gone = world.integration("Refuses gone", "http://127.0.0.1:9/mcp", json!({})).await?;
    let answer = developer.call("POST", &init_path(&gone.id)).await?;
    ensure!(answer.status == 502, "{} {}", answer.status, answer.text);
    // An integration is listed with the way to connect; a stopped integration is not listed.
    let listed = item(&developer, &integration).await?.context("not listed")?;
    assert_eq!(listed["connectType"], "oauth");
    world.admin()?.call("POST", &format!("/integrations/{}/stop", integration.slug)).await?.expect(200)?;
    assert!(item(&developer, &integration).await?.is_none());
    world.admin()?.delete(&path(&integration.id, "")).await?.expect(204)?;
    kontext_refusal(&developer.call("POST", &init_path(&integration.id)).await?, 404, "not_found")?;
    Ok(())
}
