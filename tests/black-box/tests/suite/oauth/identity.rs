//! How Postern identifies itself to an authorization server: as a client that the operator registered, by a client
//! metadata document, or by dynamic registration; and the client credentials of an organization.

use anyhow::{Context as _, Result};
use black_box::oauth::PUBLIC_URL;
use serde_json::{Value, json};

use super::{World, events, whoami};
use crate::fixtures;
use crate::registry::path;

/// Makes the one stored credential due, runs the job `refresh`, and checks that the refresh succeeds.
pub(super) async fn renew(world: &World) -> Result<()> {
    let (good, _) = world.provider.token_requests("refresh_token").await?;
    world.postern.sql("UPDATE credentials SET refresh_at = 1 RETURNING id", json!([])).await?;
    assert_eq!(world.postern.job("refresh").await?.expect(200)?["processed"], 1);
    assert_eq!(world.provider.token_requests("refresh_token").await?, (good + 1, 0));
    Ok(())
}

fn count(seen: &Value, what: &str) -> Option<usize> {
    seen[what].as_array().map(Vec::len)
}

#[tokio::test]
async fn a_client_that_the_operator_registered() -> Result<()> {
    let world = World::new(json!({"cimd": true})).await?;
    let alice = world.user("alice").await?;
    let oauth = json!({"clientId": "confidential", "clientSecret": world.provider.client_secret});
    let integration = world.integration("By hand", &world.provider.mcp(), oauth).await?;
    world.connect_first(&alice, "alice", &integration).await?;
    let me = whoami(&alice, &integration.slug).await?;
    assert_eq!((&me["sub"], &me["client"]), (&json!("alice"), &json!("confidential")));
    renew(&world).await?;
    let seen = world.provider.seen().await?;
    assert_eq!((count(&seen, "registrations"), &seen["documents"]), (Some(0), &json!(0)));
    for request in seen["tokens"].as_array().context("no token requests")? {
        assert_eq!((&request["client"], &request["auth"]), (&json!("confidential"), &json!("basic")));
    }
    Ok(())
}

/// A client that the operator registered with the redirect URIs of this authorization server alone.
#[tokio::test]
async fn a_client_with_redirect_uris_of_its_own() -> Result<()> {
    let world = World::new(json!({})).await?;
    let alice = world.user("alice").await?;
    let secret = &world.provider.client_secret;
    let oauth = json!({"clientId": "confidential", "clientSecret": secret, "redirectPerIssuer": true});
    let integration = world.integration("Own URIs", &world.provider.mcp(), oauth).await?;
    world.connect_first(&alice, "alice", &integration).await?;
    assert_eq!(whoami(&alice, &integration.slug).await?["client"], "confidential");
    let asked = &world.provider.seen().await?["authorizations"][0];
    assert_eq!(asked["redirect_uri"], world.provider.redirect_uri("/oauth/callback"), "{asked}");
    Ok(())
}

#[tokio::test]
async fn a_client_id_metadata_document() -> Result<()> {
    let world = World::new(json!({"cimd": true})).await?;
    let document = world.postern.stranger()?.get("/oauth/client-metadata.json").await?;
    assert!(document.header("content-type").starts_with("application/json"), "{:?}", document.headers);
    let document = document.expect(200)?;
    let id = format!("{PUBLIC_URL}/oauth/client-metadata.json");
    assert_eq!(document["client_id"], id);
    assert_eq!(document["token_endpoint_auth_method"], "none");
    assert_eq!(document["redirect_uris"].as_array().map(Vec::len), Some(3), "{document}");

    let alice = world.user("alice").await?;
    let integration = world.integration("By document", &world.provider.mcp(), json!({})).await?;
    world.connect_first(&alice, "alice", &integration).await?;
    let me = whoami(&alice, &integration.slug).await?;
    assert_eq!((&me["sub"], &me["client"]), (&json!("alice"), &json!(id)));
    renew(&world).await?;
    let seen = world.provider.seen().await?;
    assert_eq!(count(&seen, "registrations"), Some(0));
    assert!(seen["documents"].as_u64() >= Some(1), "{}", seen["documents"]);
    assert_eq!(seen["authorizations"][0]["client_id"], id);
    for request in seen["tokens"].as_array().context("no token requests")? {
        assert_eq!(request["auth"], "none", "{request}");
    }
    Ok(())
}

/// Postern registers once at each issuer, for all users and integrations; no issuer sees another issuer's client id.
#[tokio::test]
async fn one_registration_per_issuer() -> Result<()> {
    let world = World::new(json!({})).await?;
    let other = black_box::oauth::Provider::start(&world.postern.url(""), json!({})).await?;
    for (name, url) in [
        ("First", world.provider.mcp()),
        ("Second", world.provider.legacy()),
        ("Elsewhere", other.mcp()),
        ("Elsewhere too", other.legacy()),
    ] {
        let integration = world.integration(name, &url, json!({})).await?;
        for account in ["alice", "bob"] {
            let user = world.user(&format!("{account} {name}")).await?;
            world.connect(&user, account, &integration).await.with_context(|| name.to_owned())?;
        }
    }
    let (here, there) = (world.provider.seen().await?, other.seen().await?);
    assert_eq!((count(&here, "registrations"), count(&there, "registrations")), (Some(1), Some(1)));
    let id = |seen: &Value| seen["registrations"][0]["client_id"].clone();
    assert_ne!(id(&here), id(&there));
    for (seen, id) in [(&here, id(&here)), (&there, id(&there))] {
        assert_eq!(count(seen, "authorizations").filter(|count| *count >= 4), count(seen, "authorizations"));
        for asked in seen["authorizations"].as_array().context("none")? {
            assert_eq!(asked["client_id"], id);
        }
    }
    Ok(())
}

/// An authorization server whose metadata is only at the path of OpenID Connect.
#[tokio::test]
async fn openid_connect_discovery_is_enough() -> Result<()> {
    let world = World::new(json!({"provider": "mock"})).await?;
    let alice = world.user("alice").await?;
    let integration = world.integration("OpenID", &world.provider.mcp(), json!({})).await?;
    world.connect_first(&alice, "anybody", &integration).await?;
    let me = whoami(&alice, &integration.slug).await?;
    assert_eq!(me["sub"], "johndoe", "{me}");
    renew(&world).await?;
    let seen = world.provider.seen().await?;
    assert_eq!(count(&seen, "registrations"), Some(1));
    for request in seen["tokens"].as_array().context("no token requests")? {
        assert_eq!(request["resource"], world.provider.mcp(), "{request}");
    }
    fixtures::seen(&world.postern, "the renewed token is used", async || {
        Ok((whoami(&alice, &integration.slug).await?["sub"] == "johndoe").then_some(()))
    })
    .await
}

/// The organization is the client, and no person consents (RFC 6749, section 4.4).
#[tokio::test]
async fn client_credentials_are_the_organizations() -> Result<()> {
    let world = World::new(json!({"accessTtl": 62})).await?;
    let oauth = json!({
        "grant": "client_credentials", "clientId": "machine", "clientSecret": world.provider.client_secret,
        "scopes": ["mcp:read"],
    });
    let body =
        json!({"name": "Machine", "url": world.provider.mcp(), "authMode": "oauth", "oauth": oauth.clone()});
    let integration = world.postern.register_with(body).await?;
    assert_eq!(integration.object["oauth"]["grant"], "client_credentials", "{}", integration.object);
    world.tools_known(&integration).await?;
    let first = whoami(&world.developer()?, &integration.slug).await?;
    assert_eq!((&first["sub"], &first["scopes"]), (&json!("machine"), &json!(["mcp:read"])), "{first}");
    let colleague = world.user("colleague").await?;
    assert_eq!(whoami(&colleague, &integration.slug).await?["sub"], "machine");
    let (asked, failed) = world.provider.token_requests("client_credentials").await?;
    assert_eq!(failed, 0);

    // The token is renewed before it expires, without a refresh token.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    world.provider.set(json!({"accessTtl": 3600})).await?;
    let second = whoami(&world.developer()?, &integration.slug).await?;
    assert_eq!(second["sub"], "machine");
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(world.provider.token_requests("client_credentials").await?, (asked + 1, 0));
    assert_eq!(world.provider.token_requests("refresh_token").await?, (0, 0));
    let seen = world.provider.seen().await?;
    for request in seen["tokens"].as_array().context("no token requests")? {
        assert_eq!((&request["resource"], &request["auth"]), (&json!(world.provider.mcp()), &json!("basic")));
    }
    for (kind, owner) in events(&world.postern, &integration).await? {
        assert_eq!(owner, "organization", "{kind}");
    }

    // Where the authorization server refuses the client, the integration is invalid, and its object does not show
    // the secret.
    let wrong = super::with(oauth, &json!({"clientSecret": "canary-wrong-secret"}));
    let body =
        json!({"name": "Wrong machine", "url": world.provider.mcp(), "authMode": "oauth", "oauth": wrong});
    let wrong = world.postern.create(body).await?;
    let wrong = world.postern.validate(&wrong.id).await?;
    assert_eq!(wrong.object["validationStatus"], "invalid", "{}", wrong.object);
    assert!(!wrong.object.to_string().contains("canary"), "{}", wrong.object);
    // The operator corrects the secret.
    let right = json!({"grant": "client_credentials", "clientId": "machine", "clientSecret": world.provider.client_secret});
    world.admin()?.put(&path(&wrong.id, "oauth"), &right).await?.expect(200)?;
    let corrected = world.postern.validate(&wrong.id).await?;
    assert_eq!(corrected.object["validationStatus"], "valid", "{}", corrected.object);
    Ok(())
}

/// The upstream's challenges say which scopes an organization's client needs, at first and when a call needs more.
#[tokio::test]
async fn client_credentials_grow_by_themselves() -> Result<()> {
    let world = World::new(json!({})).await?;
    let secret = &world.provider.client_secret;
    let oauth = json!({"grant": "client_credentials", "clientId": "machine", "clientSecret": secret});
    let integration = world.integration("Growing machine", &world.provider.mcp(), oauth).await?;
    world.postern.validate(&integration.id).await?;
    world.tools_known(&integration).await?;
    let user = world.developer()?;
    assert_eq!(whoami(&user, &integration.slug).await?["scopes"], json!(["mcp:read"]));

    let written = futures_util::future::join_all((0..20).map(|_| async {
        let result = crate::registry::call(&user, &integration.slug, "write", json!({})).await?;
        anyhow::ensure!(black_box::mcp::text(&result) == "written", "{result}");
        Ok(())
    }));
    written.await.into_iter().collect::<Result<()>>()?;
    assert_eq!(whoami(&user, &integration.slug).await?["scopes"], json!(["mcp:read", "mcp:write"]));
    // One of the twenty got the wider token for all. (The probe after the creation may still ask for a first one.)
    let renewals = "SELECT count(*) AS n FROM auth_events WHERE event_type = 'refresh_succeeded'";
    assert_eq!(world.postern.sql(renewals, json!([])).await?, [json!({"n": 1})]);
    assert_eq!(world.provider.token_requests("client_credentials").await?.1, 0);

    // Where the authorization server refuses the client, the failure does not ask the user to connect.
    let refused = json!({"status": 401, "body": {"error": "invalid_client"}});
    world.provider.set(json!({"failToken": refused})).await?;
    let sql = "UPDATE credentials SET expires_at = 1 RETURNING id";
    world.postern.sql(sql, json!([])).await?;
    tokio::time::sleep(std::time::Duration::from_millis(5_300)).await;
    for _ in 0..2 {
        let result = crate::registry::call(&user, &integration.slug, "whoami", json!({})).await?;
        let text = black_box::mcp::text(&result);
        assert!(text.ends_with(": the authorization server refused the organization's client"), "{text}");
    }
    // The next validation finds that the authorization server accepts the client again.
    world.provider.set(json!({"failToken": null})).await?;
    let validated = world.postern.validate(&integration.id).await?;
    assert_eq!(validated.object["validationStatus"], "valid", "{}", validated.object);
    tokio::time::sleep(std::time::Duration::from_millis(5_300)).await;
    whoami(&user, &integration.slug).await?;
    Ok(())
}

/// The upstream's challenge demands `mcp:write`, which the operator did not configure.
#[tokio::test]
async fn configured_scopes_are_a_ceiling() -> Result<()> {
    const BEYOND: &str = ": the upstream wants scopes beyond those that its operator configured";
    let world = World::new(json!({})).await?;
    let secret = &world.provider.client_secret;
    let oauth = json!({
        "grant": "client_credentials", "clientId": "machine", "clientSecret": secret, "scopes": ["mcp:read"],
    });
    let machine = world.integration("Bounded machine", &world.provider.mcp(), oauth).await?;
    world.postern.validate(&machine.id).await?;
    world.tools_known(&machine).await?;
    let people =
        world.integration("Bounded people", &world.provider.mcp(), json!({"scopes": ["mcp:read"]})).await?;
    let alice = world.user("alice").await?;
    world.connect_first(&alice, "alice", &people).await?;
    let (before, _) = world.provider.token_requests("client_credentials").await?;
    for integration in [&machine, &people] {
        assert_eq!(whoami(&alice, &integration.slug).await?["scopes"], json!(["mcp:read"]));
        let result = crate::registry::call(&alice, &integration.slug, "write", json!({})).await?;
        let text = black_box::mcp::text(&result);
        assert!(result["isError"] == true && text.ends_with(BEYOND), "{text}");
    }
    let (after, _) = world.provider.token_requests("client_credentials").await?;
    assert_eq!(after, before, "no token was requested for more scopes");
    world.connect(&alice, "alice", &people).await?;
    let seen = world.provider.seen().await?;
    let asked =
        seen["authorizations"].as_array().and_then(|all| all.last()).map(|last| last["scope"].clone());
    assert_eq!(asked, Some(json!("mcp:read offline_access")));
    Ok(())
}

/// RFC 8414, section 3.3: metadata must name the issuer that was asked for it.
#[tokio::test]
async fn metadata_that_lies_about_its_issuer_is_not_used() -> Result<()> {
    let world = World::shared().await?;
    // Asked by another host name, the server's metadata still names its real issuer.
    let issuer = world.provider.issuer.replace("127.0.0.1", "localhost");
    let integration = world.integration("Liar", &world.provider.mcp(), json!({"issuer": issuer})).await?;
    let place = format!("/mcp/integrations/{}/oauth/init", integration.id);
    let answer = world.developer()?.call("POST", &place).await?;
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(answer.text.contains("names another issuer"), "{}", answer.text);
    Ok(())
}
