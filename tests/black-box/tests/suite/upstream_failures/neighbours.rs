//! A dead upstream never delays or fails the list, the call, the validation or the start of another integration.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::{Integration, Postern, Settings};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    fixtures,
    registry::{self, Hoziron, path},
};

/// How long Postern waits for a hanging upstream in these tests.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long any use of a healthy integration may take while other upstreams hang, on a busy machine.
const NORMAL: Duration = Duration::from_secs(3);
/// The number of upstreams that hang in each way.
const HANGING: usize = 4;

async fn postern() -> Result<Postern> {
    let patience = PATIENCE.as_millis().to_string();
    fixtures::postern_with(Settings::new()?.with("UPSTREAM_TIMEOUT_MS", patience)).await
}

/// Runs `work`, and fails if that takes longer than `NORMAL`.
async fn at_once<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(NORMAL, work).await.with_context(|| format!("{what} took more than {NORMAL:?}"))?
}

/// Uses a healthy integration in every way.
async fn use_it(postern: &Postern, healthy: &Integration, id: &str) -> Result<()> {
    let admin = postern.admin()?;
    let client = Hoziron::of(postern)?;
    let listed = at_once("a list of all", fixtures::modern_tools(&admin, "/mcp")).await?;
    ensure!(listed.contains("healthy__echo"), "{listed:?}");
    let own = at_once("its own list", fixtures::legacy_tools(&admin, &healthy.path())).await?;
    ensure!(own.len() == 7, "{own:?}");
    at_once("a call", registry::echo(&admin, &healthy.slug, "meanwhile")).await?;
    let validated = at_once("a validation", postern.validate(&healthy.id)).await?;
    ensure!(validated.object["validationStatus"] == "valid", "{}", validated.object);
    at_once("a start", client.run(id, "start")).await?;
    at_once("a restart", client.run(id, "restart")).await?;
    at_once("a stop", client.stop(id)).await?;
    at_once("a status", client.status(id)).await?;
    at_once("the registry's list", client.item(id)).await?;
    Ok(())
}

#[tokio::test]
async fn a_healthy_neighbour_of_hanging_upstreams_notices_nothing() -> Result<()> {
    let (postern, stub) = (postern().await?, fixtures::stub()?);
    let healthy = postern.register("Healthy", &stub.url("/dual")).await?;
    let client = Hoziron::of(&postern)?;
    client.install_probed(json!({"source": stub.url("/modern"), "id": "healthy-too"}), 7).await?;
    // Some upstreams work until a tool is called, the others never work.
    let mut waiting = Vec::new();
    for n in 0..HANGING {
        let caller =
            postern.register(&format!("Hanging {n}"), &stub.url(&format!("/hang-call?n={n}"))).await?;
        let admin = postern.admin()?;
        waiting.push(tokio::spawn(async move {
            let result = registry::call(&admin, &caller.slug, "echo", json!({"message": "x"})).await?;
            ensure!(result["isError"] == true, "{result}");
            Ok(())
        }));
        let body = json!({"name": format!("Hung {n}"), "url": stub.url("/hang"), "authMode": "none"});
        let hung = postern.create(body).await?;
        let (admin, validate) = (postern.admin()?, path(&hung.id, "validate"));
        waiting.push(tokio::spawn(async move {
            let answer = admin.call("POST", &validate).await?.expect(200)?;
            ensure!(answer["integration"]["validationStatus"] == "invalid", "{answer}");
            Ok(())
        }));
        let id = client
            .install(json!({"source": {"url": stub.url("/hang")}, "id": format!("hung-too-{n}")}))
            .await?;
        let client = Hoziron::of(&postern)?;
        waiting.push(tokio::spawn(async move {
            crate::dialects::hoziron(&client.act(&id, "start").await?, "ProviderError").map(drop)
        }));
    }
    let begun = Instant::now();
    use_it(&postern, &healthy, "healthy-too").await?;
    let took = begun.elapsed();
    let finished = waiting.iter().filter(|task| task.is_finished()).count();
    ensure!(
        finished == 0,
        "{finished} of the hanging requests were over after {took:?}: the test shows nothing"
    );
    for task in waiting {
        task.await??;
    }
    Ok(())
}

/// A scheduled tick that meets hanging upstreams still probes the healthy one at once, and ends.
#[tokio::test]
async fn a_tick_with_hanging_upstreams_refreshes_the_healthy_one_at_once() -> Result<()> {
    let (postern, stub) = (postern().await?, fixtures::stub()?);
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(
            postern.register(&format!("Later hung {n}"), &stub.url(&format!("/modern?n={n}"))).await?.id,
        );
    }
    let healthy = postern.register("Healthy", &stub.url("/modern?n=healthy")).await?;
    for id in &ids {
        let sql = "UPDATE integrations SET url = ?1 WHERE id = ?2 RETURNING id";
        ensure!(postern.sql(sql, json!([stub.url("/hang"), id])).await?.len() == 1);
    }
    let validated = |object: &Value| object["lastValidatedAt"].as_str().map(str::to_owned);
    let before = validated(&postern.integration(&healthy.id).await?.object);
    tokio::time::sleep(Duration::from_millis(5)).await;
    // The healthy integration is the last one due.
    let sql = "UPDATE integrations SET validation_lease_until = 0, \
               next_validation_at = CASE id WHEN ?1 THEN 2 ELSE 1 END RETURNING id";
    postern.sql(sql, json!([healthy.id])).await?;

    let begun = Instant::now();
    let look = async {
        let refreshed = at_once("the refresh of the healthy one", async {
            black_box::eventually("the healthy integration is refreshed", async || {
                let after = validated(&postern.integration(&healthy.id).await?.object);
                Ok((after != before).then_some(()))
            })
            .await
        });
        refreshed.await?;
        Ok::<_, anyhow::Error>(begun.elapsed())
    };
    let (tick, look) = tokio::join!(postern.tick(), look);
    tick?;
    let (took, refreshed) = (begun.elapsed(), look?);
    ensure!(took > refreshed, "the tick was over before an upstream could hang");
    ensure!(
        took < PATIENCE * 2,
        "the tick took {took:?}: the hanging upstreams were probed one after the other"
    );
    for id in &ids {
        let object = postern.integration(id).await?.object;
        ensure!(object["validationStatus"] == "invalid", "{object}");
        ensure!(super::message(&object).contains("did not answer in time"), "{object}");
    }
    Ok(())
}
