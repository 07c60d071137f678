//! What the public documents print about connecting by OAuth: the admin API's `oauth-start` and callback, and Feather's
//! connection with `auth_type` `oauth`. `../documents/README.md` says where the documents come from.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use black_box::oauth::PUBLIC_URL;
use reqwest::Url;
use serde_json::{Value, json};

use super::{World, arrived, is_256_bits, is_page, text};
use crate::dialects::{keys, problem};

const ADMIN: &str = include_str!("../documents/admin.txt");
const FEATHER: &str = include_str!("../documents/feather.txt");

/// The first JSON object of a text.
fn object(text: &str) -> Result<Value> {
    let json = text.find("\n{").and_then(|at| text.get(at..)).context("no object")?;
    Ok(serde_json::Deserializer::from_str(json).into_iter().next().context("no object")??)
}

/// The names of a URL's query parameters.
fn parameters(url: &str) -> Result<BTreeSet<String>> {
    Ok(Url::parse(url)?.query_pairs().map(|(name, _)| name.into_owned()).collect())
}

#[tokio::test]
async fn oauth_start_and_its_callback_answer_as_printed() -> Result<()> {
    let world = World::shared().await?;
    // The document's redirect URI is that of a client which the operator registered.
    let oauth = json!({"clientId": "confidential", "clientSecret": world.provider.client_secret});
    let integration = world.integration("As printed", &world.provider.mcp(), oauth).await?;
    let (start, callback) = ADMIN.split_once("OAuth Callback (public)").context("no callback")?;
    let printed = object(start)?;
    let path = format!("/api/v1/admin/gateway/connections/{}/oauth-start", integration.slug);
    let admin = world.admin()?;
    let got = admin.call("POST", &path).await?.expect(200)?;
    assert_eq!(keys(&got), keys(&printed));
    assert_eq!(
        got["redirect_uri"],
        text(&printed, "redirect_uri")?.replace("https://platform.example.com", PUBLIC_URL)
    );
    ensure!(is_256_bits(text(&printed, "state")?) && is_256_bits(text(&got, "state")?), "{got}");
    // RFC 3339 in UTC, to the second or finer.
    let (long, short) = (text(&got, "expires_at")?, text(&printed, "expires_at")?);
    ensure!(long.len() >= short.len() && long.ends_with('Z') && long.as_bytes()[10] == b'T', "{got}");
    let (printed_url, url) = (text(&printed, "authorization_url")?, text(&got, "authorization_url")?);
    ensure!(parameters(url)?.is_superset(&parameters(printed_url)?), "{url}");
    for (name, value) in Url::parse(printed_url)?.query_pairs().filter(|(_, value)| value != "...") {
        let own =
            Url::parse(url)?.query_pairs().find(|(other, _)| *other == name).map(|(_, own)| own.into_owned());
        let value = value.replace("https://platform.example.com", PUBLIC_URL);
        assert_eq!(own.as_deref(), Some(value.as_str()), "{name}");
    }
    ensure!(start.contains("404 Not Found") && start.contains("409 Conflict"), "{start}");
    let unknown = admin.call("POST", "/api/v1/admin/gateway/connections/no-such/oauth-start").await?;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    let body = json!({"name": "As printed plain", "url": world.provider.mcp()});
    let plain = admin.post("/api/v1/integrations", &body).await?.expect(201)?;
    let slug = text(&plain["integration"], "slug")?;
    let path = format!("/api/v1/admin/gateway/connections/{slug}/oauth-start");
    let conflict = admin.call("POST", &path).await?;
    assert_eq!(conflict.status, 409, "{}", conflict.text);
    assert_eq!(problem(&conflict)?, "connection is not configured for authorization_code OAuth");
    for stranger in [world.developer()?, world.postern.stranger()?] {
        assert_eq!(
            stranger.call("POST", &path).await?.status,
            401,
            "whoever is not an administrator gets 401"
        );
    }

    ensure!(callback.contains("302 Found on success; 400 Bad Request (HTML) on error"), "{callback}");
    let browser = world.browser("printed")?;
    let back = browser.consent(url).await?;
    ensure!(back.starts_with(text(&got, "redirect_uri")?), "{back}");
    arrived(&browser.finish(&back).await?, "/portal/admin/connections")?;
    is_page(&browser.open(&back).await?, 400).context("a state is used once")?;
    is_page(&browser.open(&format!("{PUBLIC_URL}/api/v1/admin/oauth/callback")).await?, 400)?;
    Ok(())
}

#[tokio::test]
async fn the_feather_body_with_oauth_answers_as_printed() -> Result<()> {
    let world = World::shared().await?;
    let printed = FEATHER.split_once("--data '").context("no body")?.1;
    let (body, answer) = printed.split_once("\n'").context("no end of the body")?;
    let (mut body, answer) = (object(body)?, object(answer)?);
    for (name, value) in [
        ("nickname", json!("As printed by OAuth")),
        ("server_url", json!(world.provider.mcp())),
        ("auth_type", json!("oauth")),
        ("oauth_authorize_url", json!(format!("{}/auth", world.provider.issuer))),
        ("oauth_token_url", json!(format!("{}/token", world.provider.issuer))),
        ("oauth_client_id", json!("confidential")),
        ("oauth_client_secret", json!(world.provider.client_secret)),
        ("oauth_scopes", json!(["mcp:read"])),
    ] {
        ensure!(body.get(name).is_some(), "{name} is not printed");
        body[name] = value;
    }
    let got = world.admin()?.post("/v1/integrations/connections/custom-mcp", &body).await?.expect(201)?;
    assert_eq!(got["ignored_fields"], json!(["token", "api_key"]));
    let mut members = keys(&got);
    members.retain(|name| *name != "ignored_fields");
    assert_eq!(members, keys(&answer));
    assert_eq!((&got["status"], &got["vendor"]), (&json!("pending_oauth"), &json!("custom_mcp")));
    ensure!(text(&got, "authorize_url")?.starts_with(&world.provider.issuer), "{got}");
    ensure!(is_256_bits(text(&got, "state")?), "{got}");
    Ok(())
}
