//! Update and archive, in the Kontext dialect.

use std::time::Duration;

use anyhow::{Context as _, Result};
use black_box::{Integration, api::Api};
use serde_json::{Value, json};

use super::{integration, kontext::merge, kontext_refuses, quiet, world};
use crate::{
    dialects::{keys, kontext_refusal},
    fixtures,
    registry::{self, INTEGRATIONS, path},
};

async fn create(admin: &Api, name: &str, members: Value) -> Result<Integration> {
    let mut body = quiet(name);
    merge(&mut body, &members);
    integration(&admin.post(INTEGRATIONS, &body).await?, 201)
}

async fn patch(admin: &Api, id: &str, body: Value) -> Result<Value> {
    Ok(integration(&admin.patch(&path(id, ""), &body).await?, 200)?.object)
}

#[tokio::test]
async fn update_an_integration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let schema = json!({"type": "string"});
    let given = json!({"authMode": "user_token", "credentialSchema": schema, "capabilities": {"tools": {}}});
    let created = create(&admin, "Change", given).await?;
    // Absent members stay as they are; only updatedAt changes.
    let before = registry::settled(&world.postern, &created.id).await?.object;
    tokio::time::sleep(Duration::from_millis(5)).await;
    for (body, changed) in [
        (json!({"name": "Change renamed"}), json!({"name": "Change renamed"})),
        (json!({"capabilities": {"prompts": {}}}), json!({"capabilities": {"prompts": {}}})),
        (json!({"toolPolicy": "review"}), json!({"toolPolicy": "review"})),
        (
            json!({"credentialHeaders": [{"name": "X-Api-Key", "value": "{token}"}]}),
            json!({"credentialHeadersConfigured": true}),
        ),
        (json!({"credentialHeaders": null}), json!({"credentialHeadersConfigured": false})),
        (json!({"toolPolicy": "auto", "name": "Change"}), json!({"toolPolicy": "auto", "name": "Change"})),
    ] {
        let unchanged = world.postern.integration(&created.id).await?.object;
        let mut expected = unchanged.clone();
        merge(&mut expected, &changed);
        let patched = patch(&admin, &created.id, body.clone()).await?;
        // Some changes start another probe, which changes these two members.
        for moving in ["updatedAt", "lastValidatedAt"] {
            expected[moving] = patched[moving].clone();
        }
        assert_eq!(patched, expected, "{body}");
        assert!(patched["updatedAt"].as_str() > before["updatedAt"].as_str(), "{body}");
        let mut read = world.postern.integration(&created.id).await?.object;
        read["lastValidatedAt"] = patched["lastValidatedAt"].clone();
        assert_eq!(patched, read, "{body}");
    }
    let unchanged = patch(&admin, &created.id, json!({})).await?;
    assert_eq!((&unchanged["name"], &unchanged["capabilities"]), (&json!("Change"), &json!({"prompts": {}})));

    // `null` clears an optional member, and is refused for a required one.
    let cleared =
        patch(&admin, &created.id, json!({"capabilities": null, "credentialSchema": null, "oauth": null}))
            .await?;
    for name in ["capabilities", "credentialSchema", "oauth"] {
        assert_eq!(cleared.get(name), None, "{name}");
    }
    for name in ["name", "url", "category", "authMode", "serverToken", "toolPolicy", "confirmUnarchive"] {
        let answer = admin.patch(&path(&created.id, ""), &json!({name: null})).await?;
        let message = kontext_refusal(&answer, 400, "validation_error").context(name)?;
        assert!(message.contains(name), "{name}: {message}");
    }
    let duplicate = create(&admin, "Change other", json!({})).await?;
    let answer = admin.patch(&path(&duplicate.id, ""), &json!({"name": "Change"})).await?;
    kontext_refusal(&answer, 409, "duplicate")?;
    assert_eq!(
        patch(&admin, &created.id, json!({"name": "Change"})).await?["name"],
        "Change",
        "an integration may keep its own name"
    );
    kontext_refuses("PATCH", |id| path(id, ""), Some(&json!({"name": "Change nobody"}))).await
}

/// The rules between fields are checked on the integration that a PATCH leads to, not on the body alone.
#[tokio::test]
async fn update_across_fields() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let created = create(&admin, "Change fields", json!({})).await?;
    let refused = async |body: Value, named: &str| -> Result<()> {
        let answer = admin.patch(&path(&created.id, ""), &body).await?;
        let message = kontext_refusal(&answer, 400, "validation_error").with_context(|| body.to_string())?;
        assert!(message.contains(named), "{body}: {message}");
        Ok(())
    };
    refused(json!({"serverToken": "t"}), "serverToken").await?;
    refused(json!({"authMode": "server_token"}), "serverToken").await?;
    refused(json!({"oauth": {"provider": "x"}}), "oauth").await?;

    let with_token = json!({"authMode": "server_token", "serverToken": "first"});
    assert_eq!(patch(&admin, &created.id, with_token).await?["serverTokenConfigured"], true);
    let kept = patch(&admin, &created.id, json!({"authMode": "server_token"})).await?;
    assert_eq!(kept["serverTokenConfigured"], true, "the same mode again keeps the token");
    let rotated = patch(&admin, &created.id, json!({"serverToken": "second"})).await?;
    assert_eq!(rotated["serverTokenConfigured"], true);
    refused(json!({"oauth": {"provider": "x"}}), "oauth").await?;

    let oauth = json!({"authMode": "oauth", "oauth": {"provider": "github", "scopes": ["repo"]}});
    let switched = patch(&admin, &created.id, oauth).await?;
    assert_eq!(switched["serverTokenConfigured"], false, "the token went with its mode");
    assert_eq!(switched["oauth"]["provider"], "github");
    refused(json!({"serverToken": "third"}), "serverToken").await?;
    let back = patch(&admin, &created.id, json!({"authMode": "none"})).await?;
    assert_eq!(back.get("oauth"), None, "the OAuth configuration went with its mode");
    Ok(())
}

/// Another URL or mode discards the result of the last probe; another mode also removes the users' connections.
#[tokio::test]
async fn update_resets_what_depends_on_it() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let body = json!({"name": "Change reset", "url": world.stub.url("/modern"), "authMode": "user_token"});
    let created = world.postern.register_with(body).await?;
    let connection = path(&created.id, "connection");
    let developer = world.postern.caller(&world.developer)?;
    for api in [&developer, &admin] {
        api.post(&connection, &json!({"token": "a-token-of-mine"})).await?.expect(201)?;
    }
    let renamed = patch(&admin, &created.id, json!({"name": "Change reset too"})).await?;
    assert_eq!(renamed["validationStatus"], "valid", "another name keeps the result of the last probe");

    let moved = patch(&admin, &created.id, json!({"url": world.stub.url("/dual?tools=2")})).await?;
    assert_eq!(moved["validationStatus"], "pending");
    assert_eq!(moved.get("validationMessage"), None, "{moved}");
    assert_eq!(moved["userConnection"]["connected"], true, "another URL keeps the users connected");
    black_box::eventually("the integration is probed again after the answer", async || {
        let object = world.postern.integration(&created.id).await?.object;
        let fresh = object["validationStatus"] == "valid"
            && object["validationMessage"].as_str().is_some_and(|message| message.contains("2 tools"));
        Ok(fresh.then_some(()))
    })
    .await?;

    let same = patch(&admin, &created.id, json!({"authMode": "user_token"})).await?;
    assert_eq!(same["userConnection"]["connected"], true, "the same mode is no change");
    let cut = patch(&admin, &created.id, json!({"authMode": "none"})).await?;
    assert_eq!((&cut["validationStatus"], cut.get("userConnection")), (&json!("pending"), None));
    patch(&admin, &created.id, json!({"authMode": "user_token"})).await?;
    for api in [&developer, &admin] {
        let connection = api.get(&connection).await?.expect(200)?;
        assert_eq!(connection["connection"]["connected"], false, "{connection}");
    }
    Ok(())
}

#[tokio::test]
async fn update_revives_an_archived_integration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let created = create(&admin, "Change archived", json!({})).await?;
    assert_eq!(admin.delete(&path(&created.id, "")).await?.status, 204);
    for body in [json!({}), json!({"name": "Change alive"}), json!({"confirmUnarchive": false})] {
        kontext_refusal(&admin.patch(&path(&created.id, ""), &body).await?, 404, "not_found")?;
    }
    let revived =
        patch(&admin, &created.id, json!({"confirmUnarchive": true, "name": "Change alive"})).await?;
    assert_eq!((&revived["id"], &revived["name"]), (&json!(created.id), &json!("Change alive")));
    assert_eq!(world.postern.integration(&created.id).await?.object["name"], "Change alive");
    Ok(())
}

#[tokio::test]
async fn archive_an_integration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let body = json!({"name": "Archiving", "url": world.stub.url("/modern"), "authMode": "user_token"});
    let created = world.postern.register_with(body).await?;
    let developer = world.postern.caller(&world.developer)?;
    developer.post(&path(&created.id, "connection"), &json!({"token": "mine"})).await?.expect(201)?;
    registry::echo(&developer, &created.slug, "before").await?;

    let answer = admin.delete(&path(&created.id, "")).await?;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let listed = admin.get(&format!("{INTEGRATIONS}?name=Archiving")).await?.expect(200)?;
    assert_eq!(listed, json!({"items": []}));
    for (method, part) in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "validate"),
        ("GET", "oauth"),
        ("GET", "connection"),
        ("GET", "tools"),
    ] {
        let answer = admin.call(method, &path(&created.id, part)).await?;
        kontext_refusal(&answer, 404, "not_found").with_context(|| format!("{method} {part}"))?;
    }
    fixtures::seen(&world.postern, "the archived integration's tools are gone", async || {
        let tools = fixtures::modern_tools(&developer, "/mcp").await?;
        Ok((!tools.iter().any(|tool| tool.starts_with("archiving__"))).then_some(()))
    })
    .await?;

    // The secrets are deleted, not hidden: the revived integration does not have them.
    let rows = world
        .postern
        .sql("SELECT id FROM credentials WHERE integration_id = ?1", json!([created.id]))
        .await?;
    assert_eq!(rows, Vec::<Value>::new());
    let revived = patch(&admin, &created.id, json!({"confirmUnarchive": true})).await?;
    assert_eq!(revived["validationStatus"], "pending");
    let connection = developer.get(&path(&created.id, "connection")).await?.expect(200)?;
    assert_eq!(keys(&connection["connection"]), ["connected", "status"]);
    assert_eq!(connection["connection"]["connected"], false);
    kontext_refuses("DELETE", |id| path(id, ""), None).await
}
