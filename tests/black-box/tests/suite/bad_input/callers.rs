//! Callers without a valid key, callers without the right to manage integrations, and foreign web pages.

use anyhow::{Context as _, Result};
use black_box::{
    api::{Answer, Api},
    mcp::Request,
};
use reqwest::Method;
use serde_json::json;

use super::{INTEGRATIONS, World, json_rpc, kontext, refused, world};

/// Callers of every kind that has no valid key.
fn strangers(world: &World) -> Result<Vec<(&'static str, Api)>> {
    let admin = world.postern.admin_key();
    let (head, secret) = admin.rsplit_once('_').context("no secret in the key")?;
    let wrong = format!("{head}_{}", secret.chars().rev().collect::<String>());
    let unknown = black_box::key::ApiKey::generate()?.text;
    Ok(vec![
        ("no key", world.postern.stranger()?),
        ("an expired key", world.postern.caller(&world.expired)?),
        ("an unknown key", world.postern.caller(&unknown)?),
        ("a wrong secret", world.postern.caller(&wrong)?),
        ("a key cut short", world.postern.caller(&admin[..admin.len() - 1])?),
        ("a key with more", world.postern.caller(&format!("{admin}A"))?),
        ("a key in upper case", world.postern.caller(&admin.to_uppercase())?),
        ("only the public id", world.postern.caller(head)?),
        ("words", world.postern.caller("let me in")?),
    ])
}

#[tokio::test]
async fn without_a_valid_key_everything_but_health_is_401() -> Result<()> {
    let one = format!("{INTEGRATIONS}/{}", world().await?.taken.id);
    let validate = format!("{one}/validate");
    for (who, api) in strangers(world().await?)? {
        for (method, path, dialect) in [
            ("GET", INTEGRATIONS, kontext as fn(&Answer) -> Result<String>),
            ("POST", INTEGRATIONS, kontext),
            ("GET", one.as_str(), kontext),
            ("DELETE", one.as_str(), kontext),
            ("POST", validate.as_str(), kontext),
            ("POST", "/mcp", json_rpc),
            ("POST", "/integrations/taken/mcp", json_rpc),
            ("POST", "/integrations/nobody/mcp", json_rpc),
        ] {
            let what = format!("{who}: {method} {path}");
            let answer = refused(&what, 401, async |_| api.call(method, path).await).await?;
            dialect(&answer).with_context(|| what.clone())?;
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{what}: {:?}", answer.headers);
        }
        assert_eq!(api.get("/health").await?.status, 200, "{who}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_is_taken_from_two_headers_and_from_nowhere_else() -> Result<()> {
    let world = world().await?;
    let (stranger, key) = (world.postern.stranger()?, world.postern.admin_key());
    let get = |path: &str| stranger.request(Method::GET, path);
    for (what, request, status) in [
        ("bearer", get(INTEGRATIONS).header("authorization", format!("Bearer {key}")), 200),
        ("bearer in lower case", get(INTEGRATIONS).header("authorization", format!("bearer {key}")), 200),
        ("x-api-key", get(INTEGRATIONS).header("x-api-key", key), 200),
        ("basic", get(INTEGRATIONS).header("authorization", format!("Basic {key}")), 401),
        ("no scheme", get(INTEGRATIONS).header("authorization", key), 401),
        ("cookie", get(INTEGRATIONS).header("cookie", format!("key={key}")), 401),
        ("query", get(&format!("{INTEGRATIONS}?api_key={key}&access_token={key}")), 401),
    ] {
        assert_eq!(Answer::of(request).await?.status, status, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn only_an_administrator_may_manage_integrations() -> Result<()> {
    let one = format!("{INTEGRATIONS}/{}", world().await?.taken.id);
    let validate = format!("{one}/validate");
    let body = json!({"name": "Mine", "url": "https://mine.example.com/mcp"});
    for (method, path) in
        [("GET", INTEGRATIONS), ("POST", INTEGRATIONS), ("GET", &one), ("DELETE", &one), ("POST", &validate)]
    {
        let answer = refused(path, 403, async |world| {
            let api = world.postern.caller(&world.developer)?;
            Answer::of(api.request(Method::from_bytes(method.as_bytes())?, path).json(&body)).await
        })
        .await?;
        kontext(&answer).with_context(|| format!("{method} {path}"))?;
    }
    Ok(())
}

/// DNS rebinding: a page of a foreign origin is refused even with a valid key.
#[tokio::test]
async fn a_foreign_origin_is_403() -> Result<()> {
    for origin in [
        "https://evil.example.com",
        "http://evil.example.com:8787",
        "null",
        "https://127.0.0.1.evil.example.com",
    ] {
        for (method, path) in [("POST", "/mcp"), ("POST", "/integrations/taken/mcp"), ("GET", INTEGRATIONS)] {
            refused(&format!("{origin} {path}"), 403, async |world| {
                let api = world.postern.admin()?;
                Answer::of(api.request(Method::from_bytes(method.as_bytes())?, path).header("origin", origin))
                    .await
            })
            .await?;
        }
    }
    let api = world().await?.postern.admin()?;
    let ping = Request::legacy(None, json!(1), "ping", json!({}))?;
    let local = ping.with_header("origin", &world().await?.postern.url(""))?;
    assert_eq!(local.send(&api, "/mcp").await?.http.status, 200, "a local page");
    Ok(())
}
