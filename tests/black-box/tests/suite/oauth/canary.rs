//! Every secret of real OAuth connections appears where it belongs and nowhere else, through the whole lives of the
//! connections, in success and in failure.

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration,
    api::{Answer, Api},
    oauth::{asked, parameter},
};
use serde_json::{Value, json};

use super::{CONNECTED, World, arrived, link, text};
use crate::{
    agent_by_hand::{Agent, Modern},
    fixtures,
    registry::{INTEGRATIONS, path},
    secrets::ensure_unseen,
};

/// The answers that were received, and the values that must not be seen.
struct Watch<'w> {
    world: &'w World,
    answers: Vec<String>,
    /// Values that must be in no answer and at no other place.
    secrets: Vec<String>,
    /// Values that stand in the one answer that brings them, and at no other place.
    passing: Vec<String>,
}

impl Watch<'_> {
    fn canary(&mut self, what: &str) -> String {
        let canary = format!("canary-{what}-{}x", 7919 * (self.secrets.len() + 1));
        self.secrets.push(canary.clone());
        canary
    }

    fn keep(&mut self, answer: &Answer) {
        self.answers.push(format!("{:?} {}", answer.headers, answer.text));
    }

    async fn send(&mut self, api: &Api, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let request = api.request(method.parse()?, path);
        let answer = Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await?;
        self.keep(&answer);
        Ok(answer)
    }

    async fn call(&mut self, api: &Api, slug: &str, tool: &str) -> Result<()> {
        let agent = Agent::open(Modern, api.clone(), &format!("/integrations/{slug}/mcp")).await?;
        let answer = agent.call(json!(1), tool, json!({})).await?.http;
        self.keep(&answer);
        Ok(())
    }

    /// Takes a started authorization to its end. The state may stand in the answer that brought it.
    async fn finish(&mut self, url: &str, callback: &str) -> Result<()> {
        self.passing.extend(parameter(url, "state")?);
        let browser = self.world.browser("canary-account")?;
        let back = browser.consent(url).await?;
        ensure!(back.contains(callback), "{back}");
        let page = browser.open(&back).await?;
        self.keep(&page);
        let grant = asked(&page).context("no confirmation is asked for")?;
        let secret = page.header("set-cookie").split(['=', ';']).nth(1).context("no cookie")?.to_owned();
        let answer = browser.submit("https://postern.test/oauth/confirm", &[("grant", grant)]).await?;
        self.passing.push(secret);
        ensure!(answer.status == 302, "{} {}", answer.status, answer.text);
        self.keep(&answer);
        let again = browser.open(&back).await?;
        self.keep(&again);
        Ok(())
    }

    /// Requests every route that shows an integration or a connection.
    async fn look(&mut self, user: &Api, integration: &Integration) -> Result<()> {
        let (admin, id, slug) = (self.world.admin()?, &integration.id, &integration.slug);
        for place in [
            INTEGRATIONS.to_owned(),
            path(id, ""),
            path(id, "oauth"),
            path(id, "connection"),
            path(id, "tools"),
            "/integrations".to_owned(),
            format!("/integrations/{slug}/status"),
            format!("/integrations/{slug}/tools"),
            "/mcp/integrations".to_owned(),
            format!("/mcp/integrations/{id}/oauth/connection"),
            "/v1/integrations/connections".to_owned(),
            format!("/v1/integrations/connections/{id}"),
            "/oauth/client-metadata.json".to_owned(),
        ] {
            for api in [&admin, user] {
                self.send(api, "GET", &place, None).await?;
            }
        }
        self.send(&admin, "POST", &path(id, "validate"), None).await?;
        self.send(&admin, "POST", &format!("/v1/integrations/connections/{id}/test-lease"), None).await?;
        self.call(user, slug, "whoami").await
    }
}

#[tokio::test]
async fn no_secret_of_oauth_is_seen_anywhere() -> Result<()> {
    let world = World::new(json!({"accessTtl": 62})).await?;
    let user = world.user("canary").await?;
    let mut watch = Watch { world: &world, answers: Vec::new(), secrets: Vec::new(), passing: Vec::new() };
    watch.secrets.extend(world.postern.settings().secrets());
    watch.secrets.push(world.provider.client_secret.clone());

    let registered =
        kontext(&mut watch, &user, "Registered", json!({"tokenUrl": world.provider.lossy()})).await?;
    let given = json!({"clientId": "confidential", "clientSecret": world.provider.client_secret});
    let given = kontext(&mut watch, &user, "Given", given).await?;
    let machine = json!({
        "grant": "client_credentials", "clientId": "machine", "clientSecret": world.provider.client_secret,
    });
    let machine = create(&mut watch, "Machine", machine).await?;
    let admin = organization(&mut watch).await?;
    let feather = feather(&mut watch).await?;
    let statics = statics(&mut watch).await?;
    page(&mut watch).await?;
    let all = [&registered, &given, &machine, &admin, &feather];
    for integration in all {
        world
            .tools_known(integration)
            .await
            .with_context(|| format!("{}: {:?}", integration.slug, watch.answers))?;
        watch.look(&user, integration).await?;
    }
    watch.look(&user, &statics).await?;

    bad_days(&mut watch, &user, &all).await?;
    for integration in [&registered, &given] {
        let connection = format!("/mcp/integrations/{}/oauth/connection", integration.id);
        watch.send(&user, "DELETE", &connection, None).await?.expect(204)?;
    }
    watch.look(&user, &registered).await?;

    // The secrets that were really issued and presented, and the signatures of the tokens among them.
    let issued = world.provider.issued().await?;
    let kinds = issued.iter().filter(|secret| secret.contains('.')).count();
    ensure!(kinds >= 8 && issued.len() - kinds >= 20, "{kinds} access tokens of {} secrets", issued.len());
    let signatures = issued.iter().filter_map(|token| Some(token.rsplit_once('.')?.1.to_owned()));
    watch.secrets.extend(signatures.collect::<Vec<_>>());
    watch.secrets.extend(issued);
    ensure!(
        watch.answers.iter().filter(|answer| answer.contains("canary-account")).count() >= 5,
        "too few calls reached the upstream"
    );
    ensure_unseen(&world.postern, &watch.secrets, &watch.answers).await?;
    // An audit row is written at most one second after its call.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    ensure_unseen(&world.postern, &watch.passing, &[]).await
}

async fn create(watch: &mut Watch<'_>, name: &str, oauth: Value) -> Result<Integration> {
    let url = watch.world.provider.mcp();
    let body = json!({"name": name, "url": url, "authMode": "oauth", "oauth": oauth});
    let answer = watch.send(&watch.world.admin()?, "POST", INTEGRATIONS, Some(body)).await?;
    let integration = Integration::of(&answer.expect(201)?)?;
    watch.send(&watch.world.admin()?, "POST", &path(&integration.id, "validate"), None).await?;
    Ok(integration)
}

async fn kontext(watch: &mut Watch<'_>, user: &Api, name: &str, oauth: Value) -> Result<Integration> {
    let integration = create(watch, name, oauth).await?;
    let init = format!("/mcp/integrations/{}/oauth/init", integration.id);
    let started = user.call("POST", &init).await?.expect(200)?;
    watch.finish(text(&started, "authorizationUrl")?, "/oauth/callback").await?;
    Ok(integration)
}

async fn organization(watch: &mut Watch<'_>) -> Result<Integration> {
    let integration = create(watch, "Organization", json!({})).await?;
    let start = format!("/api/v1/admin/gateway/connections/{}/oauth-start", integration.slug);
    let started = watch.world.admin()?.call("POST", &start).await?.expect(200)?;
    watch.finish(text(&started, "authorization_url")?, "/api/v1/admin/oauth/callback").await?;
    Ok(integration)
}

async fn feather(watch: &mut Watch<'_>) -> Result<Integration> {
    let header = watch.canary("header");
    let body = json!({
        "nickname": "Feather", "server_url": watch.world.provider.mcp(), "auth_type": "oauth",
        "headers": {"X-Secret": header}, "oauth_client_id": "confidential",
        "oauth_client_secret": watch.world.provider.client_secret,
    });
    let admin = watch.world.admin()?;
    let created = admin.post("/v1/integrations/connections/custom-mcp", &body).await?.expect(201)?;
    watch.finish(text(&created, "authorize_url")?, "/v1/integrations/oauth/callback").await?;
    watch.world.postern.integration(text(&created, "connection_id")?).await
}

/// Static credentials in the Feather dialect, accepted and refused.
async fn statics(watch: &mut Watch<'_>) -> Result<Integration> {
    let (key, header) = (watch.canary("api-key"), watch.canary("static-header"));
    let body = json!({
        "nickname": "Statics", "server_url": watch.world.provider.mcp(), "auth_type": "api_key", "api_key": key,
        "headers": {"X-Secret": header},
    });
    let custom = "/v1/integrations/connections/custom-mcp";
    let admin = watch.world.admin()?;
    let created = watch.send(&admin, "POST", custom, Some(body.clone())).await?.expect(201)?;
    watch.send(&admin, "POST", custom, Some(body)).await?.expect(409)?;
    // What belongs to another `auth_type` is ignored and stored nowhere.
    let ignored = json!({
        "nickname": "Ignored", "server_url": watch.world.provider.mcp(), "auth_type": "none",
        "token": watch.canary("ignored"), "oauth_client_secret": watch.canary("ignored secret"),
        "headers": {"X-A": format!("{{{}}}", watch.canary("braces"))},
    });
    watch.send(&admin, "POST", custom, Some(ignored)).await?.expect(201)?;
    for refused in [
        json!({"auth_type": "bearer", "token": format!("{}\n", watch.canary("control"))}),
        json!({"auth_type": "oauth", "oauth_client_secret": watch.canary("client")}),
        json!({"auth_type": "api_key", "api_key": watch.canary("key"), "api_key_header": watch.canary("not a header")}),
        json!({"auth_type": watch.canary("type")}),
        json!({"server_url": format!("https://user:{}@example.com/", watch.canary("userinfo"))}),
    ] {
        let body =
            super::with(json!({"nickname": "Refused", "server_url": "https://example.com/mcp"}), &refused);
        watch.send(&admin, "POST", custom, Some(body)).await?.expect(400)?;
    }
    watch.world.postern.integration(text(&created, "connection_id")?).await
}

/// A sign-in by the link that an agent got: the page, its cookie, consent, callback.
async fn page(watch: &mut Watch<'_>) -> Result<()> {
    let world = watch.world;
    let integration = create(watch, "Page", json!({})).await?;
    world.connect_first(&world.user("pioneer").await?, "canary-account", &integration).await?;
    let user = world.user("page").await?;
    let (_, link) = link(&user, &integration.slug, "whoami").await?;
    let ticket = parameter(&link, "ticket")?.context("no ticket")?;
    let browser = world.browser("canary-account")?;
    let shown = browser.open(&link).await?;
    ensure!(shown.status == 200, "{}", shown.text);
    let pressed = browser.submit("https://postern.test/oauth/connect", &[("ticket", &ticket)]).await?;
    let cookie = pressed.header("set-cookie");
    let secret = cookie.split(['=', ';']).nth(1).context("no cookie")?.to_owned();
    let url =
        pressed.text.split("<a href=\"").nth(1).and_then(|rest| rest.split('"').next()).context("no link")?;
    let url = url.replace("&amp;", "&");
    watch.passing.extend([ticket, secret]);
    watch.passing.extend(parameter(&url, "state")?);
    let back = browser.consent(&url).await?;
    let answer = browser.open(&back).await?;
    watch.keep(&answer);
    arrived(&answer, CONNECTED)
}

/// Refreshes, in calls and by the job; a token endpoint and upstreams that refuse in every way; lost answers.
async fn bad_days(watch: &mut Watch<'_>, user: &Api, all: &[&Integration]) -> Result<()> {
    let world = watch.world;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    for integration in all {
        watch.call(user, &integration.slug, "whoami").await?;
        watch.call(user, &integration.slug, "write").await?;
    }
    let (refreshes, _) = world.provider.token_requests("refresh_token").await?;
    ensure!(refreshes >= 4, "{refreshes} refreshes");
    for change in [
        json!({"refuse": true}),
        json!({"refuse": true, "lose": 2}),
        json!({"refuse": true, "failToken": {"status": 500, "body": "canary-words-of-a-peer"}}),
        json!({"refuse": true, "failToken": {"status": 400, "body": {"error": "canary-words-of-a-peer"}}}),
        json!({"refuse": true, "failToken": {"status": 200, "body": {"access_token": "canary words-of-a-peer"}}}),
    ] {
        world.provider.set(change).await?;
        for integration in all {
            watch.call(user, &integration.slug, "whoami").await?;
            watch.send(&world.admin()?, "POST", &path(&integration.id, "validate"), None).await?;
        }
        world
            .postern
            .sql("UPDATE credentials SET refresh_at = 1 WHERE refresh_at > 1 RETURNING id", json!([]))
            .await?;
        world.postern.job("refresh").await?.expect(200)?;
        world.provider.set(json!({"refuse": false, "lose": 0, "failToken": null})).await?;
    }
    watch.secrets.push("words-of-a-peer".to_owned());
    for integration in all {
        let mut answers = Vec::new();
        fixtures::seen(&world.postern, "the upstreams work again", async || {
            let result = crate::registry::call(user, &integration.slug, "whoami", json!({})).await?;
            answers.push(result.to_string());
            Ok((result["isError"] != true).then_some(()))
        })
        .await
        .with_context(|| format!("{}: {answers:?}", integration.slug))?;
    }
    Ok(())
}
