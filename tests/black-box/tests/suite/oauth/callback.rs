//! The three callback paths.

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration,
    api::Answer,
    oauth::{PUBLIC_URL, parameter},
};
use serde_json::{Value, json};

use super::{CONNECTED, World, arrived, init, is_page, text};
use crate::registry::path;

const CALLBACK: &str = "/oauth/callback";
/// A text that must not be repeated on the page.
const HOSTILE: &str = "<script>alert('canary-hostile')</script>\"'&canary-hostile";

/// Opens a path with these parameters in a new browser.
async fn come_back(world: &World, path: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
    let mut url: reqwest::Url = format!("{PUBLIC_URL}{path}").parse()?;
    url.query_pairs_mut().extend_pairs(parameters);
    world.browser("anybody")?.open(url.as_str()).await
}

/// Checks that an answer is a refusal whose page repeats nothing of the request. Returns the page.
fn refused(answer: &Answer) -> Result<&str> {
    let page = is_page(answer, 400)?;
    ensure!(!page.contains("canary"), "the page repeats a parameter: {page}");
    ensure!(answer.header("set-cookie").is_empty(), "{:?}", answer.headers);
    Ok(page)
}

/// Starts an authorization for the developer and returns its state.
async fn state(world: &World, integration: &Integration) -> Result<String> {
    Ok(text(&init(&world.developer()?, &integration.id).await?, "state")?.to_owned())
}

/// The path of the redirect URI that belongs to the world's authorization server.
fn own(world: &World) -> String {
    world.provider.redirect_uri(CALLBACK).replace(PUBLIC_URL, "")
}

async fn is_connected(world: &World, integration: &Integration) -> Result<bool> {
    let place = format!("/mcp/integrations/{}/oauth/connection", integration.id);
    let connection = world.developer()?.get(&place).await?.expect(200)?;
    connection["connected"].as_bool().with_context(|| connection.to_string())
}

#[tokio::test]
async fn a_sign_in_ends_at_the_requested_place_or_at_the_default() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Callback returns", &world.provider.mcp(), json!({})).await?;
    let user = format!("/mcp/integrations/{}/oauth/init", integration.id);
    let admin = format!("/api/v1/admin/gateway/connections/{}/oauth-start", integration.slug);
    let there = "/portal/there?x=1&y=%3A#part";
    for (start, body, place) in [
        (&user, json!({}), CONNECTED),
        (&user, json!({"returnTo": there}), there),
        (&user, json!({"returnTo": null}), CONNECTED),
        (&admin, json!({}), "/portal/admin/connections"),
        (&admin, json!({"return_url": there}), there),
    ] {
        let started = world.admin()?.post(start, &body).await?.expect(200)?;
        let url = started.get("authorizationUrl").or(started.get("authorization_url"));
        let browser = world.browser("returning")?;
        let back = browser.consent(url.and_then(Value::as_str).context("no URL")?).await?;
        assert_eq!(parameter(&back, "iss")?.as_deref(), Some(world.provider.issuer.as_str()));
        arrived(&browser.finish(&back).await?, place).with_context(|| body.to_string())?;
        // A state works once only, in whatever browser.
        refused(&browser.open(&back).await?).context("the same browser again")?;
        refused(&world.browser("thief")?.open(&back).await?).context("another browser")?;
    }
    // The default places are pages that need no key.
    for place in [CONNECTED, "/portal/admin/connections"] {
        let answer = world.browser("returning")?.open(&format!("{PUBLIC_URL}{place}")).await?;
        is_page(&answer, 200)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_unknown_misdirected_or_expired_state_is_refused() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Callback states", &world.provider.mcp(), json!({})).await?;
    let issuer = world.provider.issuer.as_str();
    let long = "x".repeat(5000);
    for path in [CALLBACK, "/v1/integrations/oauth/callback", "/api/v1/admin/oauth/callback"] {
        refused(&come_back(world, path, &[]).await?).context("nothing at all")?;
        refused(&come_back(world, path, &[("code", "canary"), ("iss", issuer)]).await?)
            .context("no state")?;
        for unknown in ["", "canary-unknown", HOSTILE, "' OR 1=1 --canary", "\u{0}canary", long.as_str()] {
            let parameters = [("state", unknown), ("code", "canary"), ("iss", issuer)];
            let answer = come_back(world, path, &parameters).await?;
            refused(&answer).with_context(|| format!("{unknown:?}"))?;
        }
        let posted =
            world.browser("anybody")?.submit(&format!("{PUBLIC_URL}{path}"), &[("state", "x")]).await?;
        assert_eq!(posted.status, 405, "{path}: {}", posted.text);
    }

    // A state that was made for one path and is sent to another works at neither path, then or later.
    let started = init(&world.developer()?, &integration.id).await?;
    let back = world.browser("astray")?.consent(text(&started, "authorizationUrl")?).await?;
    let astray = back.replace(CALLBACK, "/api/v1/admin/oauth/callback");
    refused(&world.browser("astray")?.open(&astray).await?)?;
    refused(&world.browser("astray")?.open(&back).await?)?;

    // A state that is older than ten minutes is refused.
    let started = init(&world.developer()?, &integration.id).await?;
    let back = world.browser("late")?.consent(text(&started, "authorizationUrl")?).await?;
    let sql = "UPDATE oauth_flows SET expires_at = 1 WHERE integration_id = ?1 RETURNING expires_at";
    assert_eq!(world.postern.sql(sql, json!([integration.id])).await?.len(), 1);
    refused(&world.browser("late")?.open(&back).await?)?;
    assert!(!is_connected(world, &integration).await?);
    let left = "SELECT * FROM oauth_flows WHERE integration_id = ?1";
    assert!(world.postern.sql(left, json!([integration.id])).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn errors_of_the_authorization_server_are_shown_by_their_codes_alone() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Callback errors", &world.provider.mcp(), json!({})).await?;
    let issuer = world.provider.issuer.as_str();
    // A refusal by the real authorization server, whose description would be markup.
    let started = init(&world.developer()?, &integration.id).await?;
    let browser = world.browser("refuses")?;
    let back = browser.consent(text(&started, "authorizationUrl")?).await?;
    assert_eq!(parameter(&back, "error")?.as_deref(), Some("access_denied"));
    assert!(parameter(&back, "error_description")?.is_some_and(|text| text.contains("canary")), "{back}");
    assert!(refused(&browser.open(&back).await?)?.contains("access_denied"));
    refused(&browser.open(&back).await?).context("a used state")?;

    for (error, shown) in [("temporarily_unavailable", true), ("invalid_scope", true), (HOSTILE, false)] {
        let state = state(world, &integration).await?;
        let parameters = [
            ("state", state.as_str()),
            ("iss", issuer),
            ("error", error),
            ("error_description", HOSTILE),
            ("error_uri", "https://canary.example"),
        ];
        let answer = come_back(world, &own(world), &parameters).await?;
        assert_eq!(refused(&answer).context(error)?.contains(error), shown, "{error}");
    }
    assert!(!is_connected(world, &integration).await?);
    Ok(())
}

/// RFC 9207: `iss` is checked before anything else of the answer counts, and the page shows nothing that another
/// issuer sent.
#[tokio::test]
async fn answers_of_another_issuer_are_refused() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Callback issuers", &world.provider.mcp(), json!({})).await?;
    let issuer = world.provider.issuer.clone();
    for other in [
        "https://canary.example",
        "",
        HOSTILE,
        &format!("{issuer}/"),
        &issuer.to_uppercase(),
        &format!("{issuer}#"),
        &issuer.replace("127.0.0.1", "localhost"),
    ] {
        for error in [None, Some("access_denied")] {
            let started = init(&world.developer()?, &integration.id).await?;
            let browser = world.browser("issuers")?;
            let good = browser.consent(text(&started, "authorizationUrl")?).await?;
            let state = text(&started, "state")?;
            let code = parameter(&good, "code")?.context("no code")?;
            let mut parameters = vec![("state", state), ("iss", other), ("error_description", HOSTILE)];
            match error {
                Some(error) => parameters.push(("error", error)),
                None => parameters.push(("code", &code)),
            }
            let answer = come_back(world, &own(world), &parameters).await?;
            let page = refused(&answer).with_context(|| format!("{other:?} {error:?}"))?;
            ensure!(!page.contains("access_denied") && !page.contains(&code), "{page}");
            // The state is gone, so the answer of the right issuer is refused too.
            refused(&browser.open(&good).await?).context("the right answer, too late")?;
        }
    }
    // The metadata announces that this server always sends `iss`, so an answer without `iss` is refused.
    let started = init(&world.developer()?, &integration.id).await?;
    let good = world.browser("issuers")?.consent(text(&started, "authorizationUrl")?).await?;
    let code = parameter(&good, "code")?.context("no code")?;
    refused(&come_back(world, &own(world), &[("state", text(&started, "state")?), ("code", &code)]).await?)?;
    assert!(!is_connected(world, &integration).await?);
    let state_only = state(world, &integration).await?;
    refused(&come_back(world, &own(world), &[("state", &state_only), ("iss", &issuer)]).await?)
        .context("no code")?;
    let sql = "SELECT count(*) AS n FROM credentials WHERE integration_id = ?1";
    assert_eq!(world.postern.sql(sql, json!([integration.id])).await?[0]["n"], 0);
    Ok(())
}

#[tokio::test]
async fn codes_that_lead_to_no_tokens_are_refused() -> Result<()> {
    let world = World::new(json!({})).await?;
    let integration = world.integration("Callback codes", &world.provider.mcp(), json!({})).await?;
    let issuer = world.provider.issuer.clone();
    for code in ["canary-wrong", HOSTILE, &"c".repeat(8000)] {
        let state = state(&world, &integration).await?;
        let answer =
            come_back(&world, &own(&world), &[("state", &state), ("iss", &issuer), ("code", code)]).await?;
        refused(&answer).with_context(|| code.to_owned())?;
    }
    for (status, body) in [
        (500, json!("canary")),
        (503, json!({"error": "canary", "error_description": HOSTILE})),
        (400, json!({"error": "invalid_request", "error_description": HOSTILE})),
        (200, json!({"error": HOSTILE})),
        (200, json!({"access_token": "canary with blanks", "token_type": "bearer"})),
        (200, json!({"access_token": "canary", "token_type": "mac"})),
        (200, json!("<html>canary</html>")),
        (200, json!({"access_token": "c".repeat(2_000_000), "token_type": "bearer"})),
        (302, json!({"access_token": "canary", "token_type": "bearer"})),
    ] {
        let label = format!("{status} {body:.60}");
        world.provider.set(json!({"failToken": {"status": status, "body": body}})).await?;
        let started = init(&world.developer()?, &integration.id).await?;
        let browser = world.browser("codes")?;
        let back = browser.consent(text(&started, "authorizationUrl")?).await?;
        refused(&browser.open(&back).await?).with_context(|| label.clone())?;
        refused(&browser.open(&back).await?).with_context(|| format!("{label} again"))?;
    }
    world.provider.set(json!({"failToken": null})).await?;
    assert!(!is_connected(&world, &integration).await?);
    assert!(!world.postern.console().contains("canary"), "{}", world.postern.console());
    world.connect(&world.developer()?, "codes", &integration).await?;
    assert!(is_connected(&world, &integration).await?);
    Ok(())
}

#[tokio::test]
async fn an_integration_that_changed_during_the_sign_in_is_not_connected() -> Result<()> {
    let world = World::shared().await?;
    for (name, change) in [("Callback none", Some(json!({"authMode": "none"}))), ("Callback archived", None)]
    {
        let integration = world.integration(name, &world.provider.mcp(), json!({})).await?;
        let started = init(&world.developer()?, &integration.id).await?;
        let browser = world.browser("changing")?;
        let back = browser.consent(text(&started, "authorizationUrl")?).await?;
        let place = path(&integration.id, "");
        match &change {
            Some(change) => world.admin()?.patch(&place, change).await?.expect(200)?,
            None => world.admin()?.delete(&place).await?.expect(204)?,
        };
        refused(&browser.open(&back).await?).context(name)?;
        let sql = "SELECT count(*) AS n FROM credentials WHERE integration_id = ?1";
        assert_eq!(world.postern.sql(sql, json!([integration.id])).await?[0]["n"], 0, "{name}");
    }
    Ok(())
}
