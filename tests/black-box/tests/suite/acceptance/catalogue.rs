//! The catalogue, the installation of one of its entries, and the description of the API.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::world;
use crate::{
    dialects::{hoziron, keys},
    registry::Hoziron,
};

async fn entries(client: &Hoziron, query: &str) -> Result<Vec<Value>> {
    let body = client.api.get(&format!("/integrations/catalog{query}")).await?.expect(200)?;
    assert_eq!(keys(&body), ["entries", "total"]);
    let entries = body["entries"].as_array().context("no entries")?;
    assert_eq!(body["total"], entries.len());
    Ok(entries.clone())
}

#[tokio::test]
async fn the_catalogue_can_be_searched() -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    let all = entries(&client, "").await?;
    assert!(all.len() >= 20, "only {} entries", all.len());
    for entry in &all {
        let required = [
            "id",
            "name",
            "description",
            "category",
            "url",
            "auth_mode",
            "credentials",
            "docs_url",
            "verified",
            "tags",
            "installed",
        ];
        for name in required {
            ensure!(entry.get(name).is_some(), "no {name} in {entry}");
        }
        ensure!(keys(entry).iter().all(|key| required.contains(key) || *key == "oauth"), "{entry}");
        ensure!(entry["url"].as_str().is_some_and(|url| url.starts_with("https://")), "{entry}");
        for credential in entry["credentials"].as_array().context("no credentials")? {
            ensure!(credential["key"].is_string() && credential["label"].is_string(), "{entry}");
            ensure!(credential["secret"].is_boolean(), "{entry}");
        }
    }
    let ids = |entries: &[Value]| -> BTreeSet<String> {
        entries.iter().map(|entry| entry["id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let github = all.iter().find(|entry| entry["id"] == "github").context("no GitHub")?;
    let category = github["category"].as_str().context("no category")?;

    let found = ids(&entries(&client, "?q=GitHub").await?);
    assert!(found.contains("github") && found.len() < all.len(), "{found:?}");
    assert_eq!(entries(&client, "?q=no-such-thing-at-all").await?, Vec::<Value>::new());
    let same = ids(&entries(&client, &format!("?category={category}")).await?);
    let expected: Vec<_> = all.iter().filter(|entry| entry["category"] == category).cloned().collect();
    assert_eq!(same, ids(&expected));
    assert_eq!(ids(&entries(&client, &format!("?category={category}&q=github")).await?), &found & &same);
    hoziron(&client.api.get("/integrations/catalog?category=nonsense").await?, "ValidationError")?;
    hoziron(&world.postern.stranger()?.get("/integrations/catalog").await?, "Unauthorized")?;
    Ok(())
}

/// Installs a catalogue entry by its name. The test does not need the real server: the integration is stopped, and
/// does not start without its credential.
#[tokio::test]
async fn install_an_integration_from_the_catalogue() -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    let github = || async {
        let all = entries(&client, "").await?;
        all.into_iter().find(|entry| entry["id"] == "github").context("no GitHub")
    };
    let before = github().await?;
    assert_eq!(before["installed"], false);
    let key = before["credentials"][0]["key"].as_str().context("GitHub needs no credential?")?.to_owned();
    for credentials in [json!({"NO_SUCH_KEY": "canary-catalogue"}), json!({key.clone(): 7}), json!([])] {
        let body = json!({"source": "github", "id": "github-refused", "credentials": credentials});
        let answer = client.api.post("/integrations/install", &body).await?;
        hoziron(&answer, "ValidationError").with_context(|| body.to_string())?;
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }

    let id = client.install(json!({"source": "github-connector"})).await?;
    assert_eq!(id, "github-connector");
    assert_eq!(client.item(&id).await?.context("not listed")?["status"], "stopped");
    assert_eq!(github().await?["installed"], true);
    let body = json!({"source": "github-connector"});
    hoziron(&client.api.post("/integrations/install", &body).await?, "Duplicate")?;
    let answer = client.act(&id, "start").await?;
    hoziron(&answer, "InvalidState")?;
    assert_eq!(answer.json()?["error"]["details"]["missing"], json!([key]));
    assert_eq!(client.api.delete(&format!("/integrations/{id}")).await?.status, 200);
    assert_eq!(github().await?["installed"], false);
    Ok(())
}

#[tokio::test]
async fn the_api_describes_itself() -> Result<()> {
    let answer = world().await?.postern.stranger()?.get("/openapi.json").await?;
    let document = answer.expect(200)?;
    assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    assert!(
        document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        document["openapi"]
    );
    for (path, methods) in [
        ("/api/v1/integrations", &["get", "post"][..]),
        ("/api/v1/integrations/{id}", &["delete", "get", "patch"]),
        ("/api/v1/integrations/{id}/validate", &["post"]),
        ("/api/v1/integrations/{id}/oauth", &["delete", "get", "put"]),
        ("/api/v1/integrations/{id}/connection", &["delete", "get", "post"]),
        ("/integrations", &["get"]),
        ("/integrations/install", &["post"]),
        ("/integrations/{id}", &["delete"]),
        ("/integrations/{id}/start", &["post"]),
        ("/integrations/{id}/stop", &["post"]),
        ("/integrations/{id}/restart", &["post"]),
        ("/integrations/{id}/status", &["get"]),
        ("/integrations/{id}/tools", &["get"]),
    ] {
        let described = &document["paths"][path];
        for method in methods {
            assert!(described[method]["responses"].is_object(), "{method} {path}: {described}");
        }
    }
    Ok(())
}
