//! `POST /api/v1/admin/gateway/connections/{name}/oauth-start`.

use anyhow::{Context as _, Result, ensure};
use black_box::{
    api::{Answer, Api},
    oauth::{PUBLIC_URL, parameter},
};
use serde_json::{Value, json};

use super::{World, arrived, from_now, is_256_bits, text, whoami};
use crate::dialects::{keys, problem};
use crate::registry::INTEGRATIONS;

const CALLBACK: &str = "/api/v1/admin/oauth/callback";

fn start_path(name: &str) -> String {
    format!("/api/v1/admin/gateway/connections/{name}/oauth-start")
}

/// Starts an authorization, and checks the whole answer.
async fn start(world: &World, slug: &str, body: Option<Value>) -> Result<Value> {
    let request = world.admin()?.request("POST".parse()?, &start_path(slug));
    let request = match &body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = Answer::of(request).await?;
    let started = answer.expect(200)?;
    ensure!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    ensure!(keys(&started) == ["authorization_url", "expires_at", "redirect_uri", "state"], "{started}");
    // A client that the operator registered comes back at the path that servers share.
    let shared = format!("{PUBLIC_URL}{CALLBACK}");
    let is_by_hand = text(&started, "authorization_url")?.contains("client_id=confidential");
    let redirect_uri = if is_by_hand { shared } else { world.provider.redirect_uri(CALLBACK) };
    ensure!(started["redirect_uri"] == redirect_uri, "{started}");
    ensure!(is_256_bits(text(&started, "state")?), "{started}");
    let life = from_now(&world.postern, &started["expires_at"]).await?;
    ensure!((570_000..=600_000).contains(&life), "the authorization lives {life} ms: {started}");

    let url = text(&started, "authorization_url")?;
    let given = |name: &str| parameter(url, name)?.with_context(|| format!("no {name} in {url}"));
    ensure!(url.starts_with(&format!("{}/auth?", world.provider.issuer)), "{url}");
    ensure!(given("response_type")? == "code", "{url}");
    ensure!(given("redirect_uri")? == started["redirect_uri"], "{url}");
    ensure!(given("state")? == started["state"], "{url}");
    ensure!(given("code_challenge_method")? == "S256" && is_256_bits(&given("code_challenge")?), "{url}");
    ensure!(!given("client_id")?.is_empty(), "{url}");
    Ok(started)
}

async fn refused(api: &Api, slug: &str, body: Option<Value>, status: u16) -> Result<String> {
    let request = api.request("POST".parse()?, &start_path(slug));
    let answer = Answer::of(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await?;
    ensure!(answer.status == status, "expected {status}, got {}: {}", answer.status, answer.text);
    problem(&answer)
}

#[tokio::test]
async fn an_administrator_connects_the_organization() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Admin starts", &world.provider.mcp(), json!({})).await?;
    let slug = &integration.slug;

    let first = start(world, slug, None).await?;
    let url = text(&first, "authorization_url")?;
    assert_eq!(parameter(url, "resource")?.as_deref(), Some(world.provider.mcp().as_str()));
    assert_eq!(parameter(url, "scope")?.as_deref(), Some("mcp:read offline_access"));
    assert_eq!(parameter(url, "prompt")?, None);
    let second = start(world, slug, Some(json!({}))).await?;
    assert_ne!(first["state"], second["state"]);
    let challenge = |started: &Value| parameter(text(started, "authorization_url")?, "code_challenge");
    assert_ne!(challenge(&first)?, challenge(&second)?);

    // The credential is the organization's: every user of the integration calls with it.
    let browser = world.browser("organization")?;
    let back = browser.consent(text(&second, "authorization_url")?).await?;
    assert!(back.starts_with(&format!("{}?", world.provider.redirect_uri(CALLBACK))), "{back}");
    arrived(&browser.finish(&back).await?, "/portal/admin/connections")?;
    world.tools_known(&integration).await?;
    assert_eq!(whoami(&world.developer()?, slug).await?["sub"], "organization");
    let sql = "SELECT owner FROM credentials WHERE integration_id = ?1";
    let owners = world.postern.sql(sql, json!([integration.id])).await?;
    assert_eq!(owners, [json!({"owner": "organization"})]);
    Ok(())
}

#[tokio::test]
async fn the_authorization_request_has_what_the_operator_set() -> Result<()> {
    let world = World::shared().await?;
    let oauth = json!({
        "issuer": world.provider.issuer, "clientId": "confidential", "clientSecret": world.provider.client_secret,
        "scopes": ["mcp:read", "mcp:write"], "prompt": "consent", "omitResource": true,
    });
    let integration = world.integration("Admin sets", &world.provider.mcp(), oauth).await?;
    let started = start(world, &integration.slug, None).await?;
    let url = text(&started, "authorization_url")?;
    assert_eq!(parameter(url, "client_id")?.as_deref(), Some("confidential"));
    assert_eq!(parameter(url, "scope")?.as_deref(), Some("mcp:read mcp:write offline_access"));
    assert_eq!(parameter(url, "prompt")?.as_deref(), Some("consent"));
    assert_eq!(parameter(url, "resource")?, None);
    assert!(!started.to_string().contains(&world.provider.client_secret));
    Ok(())
}

#[tokio::test]
async fn return_urls_are_paths_of_postern() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Admin returns", &world.provider.mcp(), json!({})).await?;
    let slug = &integration.slug;
    for good in ["/", "/portal", "/portal/x?tab=1&q=%3A#there"] {
        start(world, slug, Some(json!({"return_url": good}))).await.with_context(|| good.to_owned())?;
    }
    start(world, slug, Some(json!({"return_url": null}))).await?;
    let long = format!("/{}", "x".repeat(5000));
    for bad in [
        "",
        "portal",
        "//evil.example",
        "//evil.example/x",
        "/\\evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "https://evil.example",
        "HTTPS://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/javascript:alert(1)",
        "/a:b",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\r\nset-cookie:a=b",
        "/\u{0}",
        "/\u{ff0f}evil.example",
        "?x",
        "#x",
        &long,
    ] {
        let message = refused(&world.admin()?, slug, Some(json!({"return_url": bad})), 400).await;
        let message = message.with_context(|| format!("{bad:?}"))?;
        ensure!(bad.len() < 3 || !message.contains(bad), "the refusal repeats {bad:?}");
    }
    for bad in [json!({"return_url": 1}), json!({"return_url": ["/"]}), json!({"returnTo": "/"}), json!([])] {
        refused(&world.admin()?, slug, Some(bad.clone()), 400).await.with_context(|| bad.to_string())?;
    }
    Ok(())
}

#[tokio::test]
async fn each_failure_of_a_start_has_its_status() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Admin refuses", &world.provider.mcp(), json!({})).await?;
    let slug = &integration.slug;
    refused(&world.postern.stranger()?, slug, None, 401).await.context("a stranger")?;
    refused(&world.developer()?, slug, None, 401).await.context("a developer")?;
    refused(&world.developer()?, "nobody", None, 401)
        .await
        .context("a developer cannot tell whether the connection exists")?;
    for nobody in ["nobody", &integration.id, "Not_A-Slug", "%00", &"x".repeat(300)] {
        let message = refused(&world.admin()?, nobody, None, 404).await.with_context(|| nobody.to_owned())?;
        ensure!(message == "gateway connection not found", "{nobody}: {message}");
    }
    let client = json!({
        "issuer": world.provider.issuer, "clientId": "machine", "clientSecret": world.provider.client_secret,
        "grant": "client_credentials",
    });
    for (name, body) in [
        ("Admin none", json!({"authMode": "none"})),
        ("Admin server", json!({"authMode": "server_token", "serverToken": "t"})),
        ("Admin user", json!({"authMode": "user_token"})),
        ("Admin machine", json!({"authMode": "oauth", "oauth": client})),
    ] {
        let mut body = body;
        body["name"] = json!(name);
        body["url"] = json!(world.provider.mcp());
        let created = world.admin()?.post(INTEGRATIONS, &body).await?.expect(201)?;
        let slug = text(&created["integration"], "slug")?;
        let message = refused(&world.admin()?, slug, None, 409).await.with_context(|| name.to_owned())?;
        ensure!(message == "connection is not configured for authorization_code OAuth", "{message}");
    }
    world.admin()?.delete(&format!("{INTEGRATIONS}/{}", integration.id)).await?.expect(204)?;
    refused(&world.admin()?, slug, None, 404).await.context("an archived integration")?;

    // The authorization server cannot be reached, or the issuer's URL has no metadata.
    let gone = world.integration("Admin gone", "http://127.0.0.1:9/mcp", json!({})).await?;
    refused(&world.admin()?, &gone.slug, None, 502).await?;
    let wrong = json!({"issuer": format!("{}/elsewhere", world.provider.issuer)});
    let wrong = world.integration("Admin wrong", &world.provider.mcp(), wrong).await?;
    refused(&world.admin()?, &wrong.slug, None, 502).await?;
    Ok(())
}

#[tokio::test]
async fn the_key_may_come_in_x_api_key() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Admin header", &world.provider.mcp(), json!({})).await?;
    let stranger = world.postern.stranger()?;
    let request = stranger.request("POST".parse()?, &start_path(&integration.slug));
    Answer::of(request.header("x-api-key", world.postern.admin_key())).await?.expect(200)?;
    Ok(())
}
