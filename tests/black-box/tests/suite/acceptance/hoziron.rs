//! List, install and remove, in the Hoziron dialect.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{is_timestamp, world};
use crate::{
    dialects::{hoziron, keys},
    fixtures,
    registry::{self, Hoziron, INTEGRATIONS},
};

#[tokio::test]
async fn list_integrations() -> Result<()> {
    let (postern, stub) = (fixtures::postern_with(registry::settings()?).await?, fixtures::stub()?);
    let client = Hoziron::of(&postern)?;
    let empty = client.api.get("/integrations").await?.expect(200)?;
    assert_eq!(empty, json!({"integrations": []}));

    // The list is in order of installation, not of the alphabet, and has the integrations of both dialects.
    client
        .install_probed(json!({"source": stub.url("/modern?tools=4"), "id": "postgresql-connector"}), 4)
        .await?;
    client
        .install_probed(json!({"source": stub.url("/modern?tools=5"), "id": "github-connector"}), 5)
        .await?;
    let created = postern.register("Salesforce", &stub.url("/modern?tools=3")).await?;
    client.run("postgresql-connector", "start").await?;
    let listed = client.api.get("/integrations").await?.expect(200)?;
    let expected = json!({"integrations": [
        {"id": "postgresql-connector", "status": "running", "tools_count": 4},
        {"id": "github-connector", "status": "stopped", "tools_count": 5},
        {"id": created.slug, "status": "running", "tools_count": 3},
    ]});
    assert_eq!(listed, expected);

    // The list can also be read in pages.
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    for _ in 0..2 {
        let page = client.api.get(&format!("/integrations?{query}")).await?.expect(200)?;
        seen.extend(page["integrations"].as_array().context("no list")?.clone());
        match page.get("next_cursor") {
            Some(cursor) => query = format!("limit=2&cursor={}", cursor.as_str().context("no text")?),
            None => assert_eq!(keys(&page), ["integrations"]),
        }
    }
    assert_eq!(json!(seen), expected["integrations"]);
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=forged"] {
        let answer = client.api.get(&format!("/integrations?{query}")).await?;
        hoziron(&answer, "ValidationError").context(query)?;
    }
    let kontext = postern.admin()?.get(&format!("{INTEGRATIONS}?limit=1")).await?.expect(200)?;
    let foreign = kontext["nextCursor"].as_str().context("no cursor")?;
    // The cursor of the other dialect's list may be accepted, since the order is the same, or refused; the request
    // must not fail in another way.
    assert!([200, 400].contains(&client.api.get(&format!("/integrations?cursor={foreign}")).await?.status));

    hoziron(&postern.stranger()?.get("/integrations").await?, "Unauthorized")?;
    let developer = postern.insert_key("developer", &["developer"], None).await?;
    hoziron(&postern.caller(&developer)?.get("/integrations").await?, "Forbidden")?;
    Ok(())
}

#[tokio::test]
async fn install_an_integration() -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    let url = world.stub.url("/modern?tools=5");

    // An upstream's URL with a name and an id; the stub takes GitHub's place.
    let body = json!({"source": {"url": url, "name": "GitHub of installing"}, "id": "installing-connector"});
    assert_eq!(client.install_probed(body.clone(), 5).await?, "installing-connector");
    let item = client.item("installing-connector").await?;
    assert_eq!(item, Some(json!({"id": "installing-connector", "status": "stopped", "tools_count": 5})));
    hoziron(&client.api.post("/integrations/install", &body).await?, "Duplicate")?;

    // A source that is only a URL; the other dialect shows the integration too.
    let id =
        client.install(json!({"source": url, "name": "Installing by URL", "id": "installing-url"})).await?;
    let found = client.api.get(&format!("{INTEGRATIONS}?name=Installing%20by%20URL")).await?.expect(200)?;
    let seen = &found["items"][0];
    super::check_form(seen)?;
    for (member, expected) in
        [("slug", id.as_str()), ("url", &url), ("state", "stopped"), ("authMode", "none")]
    {
        assert_eq!(seen[member], expected, "{seen}");
    }
    assert!(is_timestamp(&seen["createdAt"]));

    // Every member at once: headers with placeholders, their values, a policy.
    let body = json!({
        "source": {
            "url": world.stub.url("/guarded/plain/modern"), "name": "Installing inline", "description": "All of it.",
            "headers": [{"name": "X-Api-Key", "value": "Key {API_KEY}"}],
            "credentials": [{"key": "API_KEY", "label": "API key", "secret": true}],
        },
        "id": "installing-inline",
        "credentials": {"API_KEY": "canary-of-installing"},
        "config": {"tool_policy": "review"},
    });
    let answer = client.api.post("/integrations/install", &body).await?;
    assert_eq!(answer.expect(201)?, json!({"id": "installing-inline", "installed": true}));
    assert!(!answer.text.contains("canary"));
    let found = client.api.get(&format!("{INTEGRATIONS}?name=Installing%20inline")).await?;
    assert_eq!(found.expect(200)?["items"][0]["toolPolicy"], "review");
    assert!(!found.text.contains("canary"), "{}", found.text);
    refusals_of_an_installation(&url).await
}

async fn refusals_of_an_installation(url: &str) -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    for source in ["no-such-thing", "no-such-connector"] {
        let answer = client.api.post("/integrations/install", &json!({"source": source})).await?;
        hoziron(&answer, "NotFound").context(source)?;
    }
    for body in [
        json!({}),
        json!({"source": ""}),
        json!({"source": null}),
        json!({"source": 7}),
        json!({"source": {}}),
        json!({"source": {"url": "ftp://example.com"}}),
        json!({"source": "https://10.0.0.1/mcp"}),
        json!({"source": url, "id": "Not_A-Slug"}),
        json!({"source": url, "credentials": {"NOBODY_WANTS_IT": "canary-14"}}),
        json!({"source": url, "unknown": true}),
    ] {
        let answer = client.api.post("/integrations/install", &body).await?;
        hoziron(&answer, "ValidationError").with_context(|| body.to_string())?;
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    let body = json!({"source": url});
    let stranger = world.postern.stranger()?.post("/integrations/install", &body).await?;
    hoziron(&stranger, "Unauthorized")?;
    let developer = world.postern.caller(&world.developer)?.post("/integrations/install", &body).await?;
    hoziron(&developer, "Forbidden")?;
    Ok(())
}

#[tokio::test]
async fn remove_an_integration() -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    let source = json!({"source": world.stub.url("/modern"), "id": "removal"});
    let remove = async |id: &str, query: &str| client.api.delete(&format!("/integrations/{id}{query}")).await;
    let gone = json!({"id": "removal", "installed": false});

    client.install_probed(source.clone(), 7).await?;
    assert_eq!(remove("removal", "").await?.expect(200)?, gone);
    assert_eq!(client.item("removal").await?, None);
    hoziron(&remove("removal", "").await?, "NotFound")?;
    hoziron(&client.act("removal", "start").await?, "NotFound")?;

    // A running integration is removed only with `force`. Its name is free again at once.
    client.install_probed(source, 7).await?;
    client.run("removal", "start").await?;
    let developer = world.postern.caller(&world.developer)?;
    fixtures::seen(&world.postern, "the integration's tools are offered", async || {
        let tools = fixtures::modern_tools(&developer, "/mcp").await?;
        Ok(tools.contains("removal__echo").then_some(()))
    })
    .await?;
    for query in ["", "?force=false"] {
        let message = hoziron(&remove("removal", query).await?, "InvalidState").context(query)?;
        assert!(message.contains("force"), "{message}");
    }
    hoziron(&remove("removal", "?force=maybe").await?, "ValidationError")?;
    assert_eq!(client.status("removal").await?["status"], "running", "a refusal removes nothing");
    assert_eq!(remove("removal", "?force=true").await?.expect(200)?, gone);
    assert_eq!(client.item("removal").await?, None);
    fixtures::seen(&world.postern, "the removed integration's tools are gone", async || {
        let tools = fixtures::modern_tools(&developer, "/mcp").await?;
        Ok((!tools.iter().any(|tool| tool.starts_with("removal__"))).then_some(()))
    })
    .await?;
    let rows = "SELECT (SELECT count(*) FROM catalogue_entries t JOIN integrations i ON i.id = t.integration_id \
                WHERE i.slug = 'removal') AS tools";
    assert_eq!(world.postern.sql(rows, json!([])).await?, [json!({"tools": 0})] as [Value; 1]);
    super::hoziron_refuses("DELETE", |id| format!("/integrations/{id}")).await
}
