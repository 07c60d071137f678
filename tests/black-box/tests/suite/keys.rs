//! API keys over the admin API on a real runtime: created, used, expired, deleted, and the bootstrap key replaced.

use std::time::Duration;

use anyhow::{Context as _, Result};
use black_box::{Postern, Settings, eventually, key::ApiKey};
use serde_json::{Value, json};

use crate::agent_by_hand::{Agent, Modern};
use crate::dialects::problem;
use crate::fixtures;
use crate::registry::INTEGRATIONS;

pub(crate) const KEYS: &str = "/api/v1/admin/auth/keys";

/// Creates a key and returns its text.
pub(crate) async fn create(postern: &Postern, body: Value) -> Result<String> {
    let created = postern.admin()?.post(KEYS, &body).await?.expect(201)?;
    Ok(created["key"].as_str().with_context(|| format!("no key in {created}"))?.to_owned())
}

async fn status(postern: &Postern, key: &str, path: &str) -> Result<u16> {
    Ok(postern.caller(key)?.get(path).await?.status)
}

#[tokio::test]
async fn a_key_is_created_used_and_deleted() -> Result<()> {
    let postern = fixtures::postern().await?;
    let body =
        json!({"name": "made by API", "roles": ["admin"], "email": "a@example.com", "expires_in": "8760h"});
    let key = create(&postern, body.clone()).await?;
    assert_eq!(
        problem(&postern.admin()?.post(KEYS, &body).await?)?,
        "key with name \"made by API\" already exists"
    );
    let listed = postern.admin()?.get(KEYS).await?.expect(200)?;
    assert!(!listed.to_string().contains(&key));
    assert_eq!(listed["total"], 2);
    for path in [INTEGRATIONS, KEYS] {
        assert_eq!(status(&postern, &key, path).await?, 200, "{path}");
    }
    let gone = postern.admin()?.delete(&format!("{KEYS}/made%20by%20API")).await?.expect(200)?;
    assert_eq!(gone, json!({"message": "key deleted", "name": "made by API", "status": "deleted"}));
    // At once where the key was deleted; on Spin other components are instances of their own.
    assert_eq!(status(&postern, &key, KEYS).await?, 401);
    fixtures::seen(&postern, "the key ends everywhere", async || {
        Ok((status(&postern, &key, INTEGRATIONS).await? == 401).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_key_expires_by_itself() -> Result<()> {
    let postern = fixtures::postern().await?;
    let key = create(&postern, json!({"name": "short", "roles": ["admin"], "expires_in": "2s500ms"})).await?;
    assert_eq!(status(&postern, &key, INTEGRATIONS).await?, 200);
    eventually("the key expires", async || {
        Ok((status(&postern, &key, INTEGRATIONS).await? == 401).then_some(()))
    })
    .await?;
    let listed = postern.admin()?.get(KEYS).await?.expect(200)?;
    let short = listed["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["name"] == "short"));
    assert_eq!(short.context("not listed")?["expired"], true);
    Ok(())
}

#[tokio::test]
async fn the_bootstrap_key_is_replaced_and_left_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = Settings::new()?.persisted_in(folder.path());
    let postern = Postern::start(black_box::Runtime::under_test()?, settings.clone()).await?;
    let (former, next) = (postern.admin_key().to_owned(), ApiKey::generate()?.text);
    let other = create(&postern, json!({"name": "another admin", "roles": ["admin"]})).await?;
    assert_eq!(status(&postern, &former, INTEGRATIONS).await?, 200);
    postern.stop().await?;

    let changed = settings.clone().with("BOOTSTRAP_ADMIN_KEY", next.clone());
    let postern = Postern::start(black_box::Runtime::under_test()?, changed).await?;
    assert_eq!(status(&postern, &former, INTEGRATIONS).await?, 401);
    for key in [&next, &other] {
        assert_eq!(status(&postern, key, INTEGRATIONS).await?, 200);
    }
    postern.stop().await?;

    let postern =
        Postern::start(black_box::Runtime::under_test()?, settings.without("BOOTSTRAP_ADMIN_KEY")).await?;
    assert_eq!(status(&postern, &next, INTEGRATIONS).await?, 401);
    assert_eq!(status(&postern, &other, INTEGRATIONS).await?, 200);
    postern.stop().await
}

/// The upstream stays silent meanwhile, so only Postern itself can end the stream.
#[tokio::test]
async fn a_silent_stream_ends_after_its_key_was_deleted() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let integration = postern.register("Silent", &stub.url("/modern")).await?;
    let key = create(&postern, json!({"name": "streaming", "roles": ["admin"]})).await?;
    let agent = Agent::open(Modern, postern.caller(&key)?, &integration.path()).await?;
    let arguments = json!({"steps": 5, "gate": "closed"});
    let mut events = agent.stream(json!(1), "gated_progress", arguments, json!("t")).await?;
    assert_eq!(events.message().await?["method"], "notifications/progress");
    postern.admin()?.delete(&format!("{KEYS}/streaming")).await?.expect(200)?;
    // 30 s from one check of the key to the next, and 5 s for which an instance may remember the key.
    let last =
        events.next_within(Duration::from_secs(75)).await?.context("the stream has no last message")?;
    assert_eq!(last["id"], 1, "{last}");
    assert!(last.to_string().contains("the API key was deleted or has expired"), "{last}");
    assert_eq!(events.next().await?, None);
    Ok(())
}
