//! Start, stop, restart, status and tools, in the Hoziron dialect.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{hoziron_refuses, world};
use crate::{
    agent_by_hand::{Agent, Modern},
    dialects::hoziron,
    fixtures,
    registry::{self, Hoziron},
};

/// An integration whose one header needs two values.
fn guarded(url: &str, id: &str) -> serde_json::Value {
    json!({
        "source": {
            "url": url, "name": id,
            "headers": [{"name": "Authorization", "value": "Basic {base64(USER:PASSWORD)}"}],
            "credentials": [{"key": "USER", "secret": false}, {"key": "PASSWORD"}],
        },
        "id": id,
    })
}

#[tokio::test]
async fn start_an_integration() -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    // An installed integration is stopped, has a pid while it runs, and none when it is stopped again.
    client
        .install_probed(json!({"source": {"url": world.stub.url("/modern?tools=5")}, "id": "starting"}), 5)
        .await?;
    let stopped = json!({"id": "starting", "status": "stopped", "tools_count": 5});
    assert_eq!(client.item("starting").await?, Some(stopped.clone()));
    let pid = client.run("starting", "start").await?;
    for _ in 0..2 {
        assert_eq!(
            client.run("starting", "start").await?,
            pid,
            "starting a running integration changes nothing"
        );
    }
    assert_eq!(client.status("starting").await?["pid"], pid);
    let developer = world.postern.caller(&world.developer)?;
    fixtures::seen(&world.postern, "the integration can be called", async || {
        let tools = fixtures::modern_tools(&developer, "/mcp").await?;
        Ok(tools.contains("starting__echo").then_some(()))
    })
    .await?;
    registry::echo(&developer, "starting", "hello").await?;
    client.stop("starting").await?;
    assert_eq!(client.item("starting").await?, Some(stopped));
    assert!(client.run("starting", "start").await? > pid, "a new start is a new process");
    // A body is optional, and an empty object is accepted.
    let again = client.api.post("/integrations/starting/start", &json!({})).await?;
    assert_eq!(again.status, 200, "{}", again.text);
    hoziron_refuses("POST", |id| format!("/integrations/{id}/start")).await
}

#[tokio::test]
async fn start_needs_its_credentials() -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    let id = client.install(guarded(&world.stub.url("/guarded/plain/modern"), "starting-guarded")).await?;
    let missing = async |expected: &[&str]| -> Result<()> {
        let answer = client.act(&id, "start").await?;
        let message = hoziron(&answer, "InvalidState")?;
        assert_eq!(answer.json()?["error"]["details"]["missing"], json!(expected), "{}", answer.text);
        assert!(expected.iter().all(|key| message.contains(key)), "{message}");
        assert_eq!(client.status(&id).await?["status"], "stopped");
        Ok(())
    };
    missing(&["PASSWORD", "USER"]).await?;
    let start = format!("/integrations/{id}/start");
    for body in [
        json!({"credentials": {"TOKEN": "canary-16"}}),
        json!({"credentials": {"USER": 7}}),
        json!({"credentials": "canary-16"}),
        json!({"credential": {}}),
        json!([]),
    ] {
        let answer = client.api.post(&start, &body).await?;
        hoziron(&answer, "ValidationError").with_context(|| body.to_string())?;
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    missing(&["PASSWORD", "USER"]).await?;

    world.stub.forget_requests();
    let body = json!({"credentials": {"USER": "ada", "PASSWORD": "canary-16-lovelace"}});
    let started = client.api.post(&start, &body).await?;
    assert_eq!(started.expect(200)?["status"], "running", "{}", started.text);
    assert_eq!(client.tools(&id).await?.len(), 7);
    let developer = world.postern.caller(&world.developer)?;
    fixtures::seen(&world.postern, "the integration can be called", async || {
        Ok(registry::echo(&developer, &id, "with credentials").await.is_ok().then_some(()))
    })
    .await?;
    // The credentials are kept for the next start.
    client.stop(&id).await?;
    client.run(&id, "start").await?;
    Ok(())
}

/// A placeholder in a header needs a credential, whether or not the template also declares that credential.
#[tokio::test]
async fn start_needs_what_a_header_needs() -> Result<()> {
    let (world, stub) = (world().await?, fixtures::stub()?);
    let client = Hoziron::of(&world.postern)?;
    let headers = json!([{"name": "X-Api-Key", "value": "Key {API_KEY}"}]);
    let source = json!({"url": stub.url("/modern"), "name": "starting-header", "headers": headers});
    let id = client.install(json!({"source": source, "id": "starting-header"})).await?;
    let answer = client.act(&id, "start").await?;
    hoziron(&answer, "InvalidState")?;
    assert_eq!(answer.json()?["error"]["details"]["missing"], json!(["API_KEY"]));
    stub.forget_requests();
    let body = json!({"credentials": {"API_KEY": "k"}});
    client.api.post(&format!("/integrations/{id}/start"), &body).await?.expect(200)?;
    for request in stub.requests() {
        assert_eq!(request.header("x-api-key"), Some("Key k"), "{}", request.path);
    }
    assert!(!stub.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn start_of_an_unusable_integration() -> Result<()> {
    let world = world().await?;
    let client = Hoziron::of(&world.postern)?;
    let stub = fixtures::stub()?;
    client.install_probed(json!({"source": stub.url("/modern"), "id": "starting-dead"}), 7).await?;
    stub.break_with(Some(503.try_into()?));
    let message = hoziron(&client.act("starting-dead", "start").await?, "ProviderError")?;
    assert!(message.contains("HTTP 503"), "{message}");
    let kept = json!({"id": "starting-dead", "status": "stopped", "tools_count": 7});
    assert_eq!(
        client.item("starting-dead").await?,
        Some(kept),
        "the integration keeps its status and its tools"
    );
    stub.break_with(None);
    client.run("starting-dead", "start").await?;

    // A start that finds other tools at the upstream stores them.
    client.stop("starting-dead").await?;
    stub.remove_tool("echo");
    client.run("starting-dead", "start").await?;
    assert_eq!(client.tools("starting-dead").await?.len(), 6);
    Ok(())
}

#[tokio::test]
async fn stop_an_integration() -> Result<()> {
    let (world, stub) = (world().await?, fixtures::stub()?);
    let client = Hoziron::of(&world.postern)?;
    client.install_probed(json!({"source": stub.url("/dual"), "id": "stopping"}), 7).await?;
    client.run("stopping", "start").await?;
    let developer = world.postern.caller(&world.developer)?;
    fixtures::seen(&world.postern, "the integration can be called", async || {
        Ok(registry::echo(&developer, "stopping", "before").await.is_ok().then_some(()))
    })
    .await?;

    client.stop("stopping").await?;
    fixtures::seen(&world.postern, "the integration's tools are out of the list", async || {
        let tools = fixtures::modern_tools(&developer, "/mcp").await?;
        let legacy = fixtures::legacy_tools(&developer, "/mcp").await?;
        let listed = tools.iter().chain(&legacy).any(|tool| tool.starts_with("stopping__"));
        Ok((!listed).then_some(()))
    })
    .await?;
    fixtures::seen(&world.postern, "the integration's endpoint is gone", async || {
        let request = black_box::mcp::Request::modern(json!(1), "tools/list", json!({}))?;
        let reply = request.send(&developer, "/integrations/stopping/mcp").await?;
        Ok((reply.http.status == 404).then_some(()))
    })
    .await?;
    let agent = Agent::open(Modern, developer, "/mcp").await?;
    fixtures::seen(&world.postern, "calls of the integration's tools are refused", async || {
        stub.forget_requests();
        let reply = agent.call(json!(1), "stopping__echo", json!({"message": "after"})).await?;
        let Ok(error) = reply.error(&json!(1)) else { return Ok(None) };
        assert!(error["message"].as_str().unwrap_or_default().contains("Unknown tool"), "{error}");
        assert!(stub.requests().is_empty(), "a stopped integration's upstream is dialled");
        Ok(Some(()))
    })
    .await?;

    client.stop("stopping").await?;
    assert_eq!(client.tools("stopping").await?.len(), 7, "a stopped integration keeps its catalogue");
    hoziron_refuses("POST", |id| format!("/integrations/{id}/stop")).await
}

#[tokio::test]
async fn restart_an_integration() -> Result<()> {
    let (world, stub) = (world().await?, fixtures::stub()?);
    let client = Hoziron::of(&world.postern)?;
    client.install_probed(json!({"source": stub.url("/modern"), "id": "restarting"}), 7).await?;
    let first = client.run("restarting", "start").await?;
    black_box::eventually("the integration has been up for two seconds", async || {
        Ok((client.status("restarting").await?["uptime_secs"].as_u64() >= Some(2)).then_some(()))
    })
    .await?;
    let second = client.run("restarting", "restart").await?;
    assert!(second > first, "{first}, then {second}");
    let status = client.status("restarting").await?;
    assert_eq!((&status["pid"], &status["status"]), (&json!(second), &json!("running")));
    assert!(status["uptime_secs"].as_u64() < Some(2), "{status}");

    // A failed restart leaves the integration as it was, with the same pid.
    stub.break_with(Some(500.try_into()?));
    let message = hoziron(&client.act("restarting", "restart").await?, "ProviderError")?;
    assert!(message.contains("HTTP 500"), "{message}");
    let status = client.status("restarting").await?;
    assert_eq!((&status["pid"], &status["status"]), (&json!(second), &json!("running")));
    stub.break_with(None);
    // A restart of a stopped integration starts it.
    client.stop("restarting").await?;
    assert!(client.run("restarting", "restart").await? > second);

    let id = client.install(guarded(&world.stub.url("/guarded/plain/modern"), "restarting-guarded")).await?;
    let answer = client.act(&id, "restart").await?;
    hoziron(&answer, "InvalidState")?;
    assert_eq!(answer.json()?["error"]["details"]["missing"], json!(["PASSWORD", "USER"]));
    hoziron_refuses("POST", |id| format!("/integrations/{id}/restart")).await
}

#[tokio::test]
async fn the_status_of_an_integration() -> Result<()> {
    let (world, stub) = (world().await?, fixtures::stub()?);
    let client = Hoziron::of(&world.postern)?;
    client.install_probed(json!({"source": stub.url("/modern?tools=4"), "id": "status"}), 4).await?;
    let stopped = json!({"id": "status", "status": "stopped", "uptime_secs": 0, "tools_count": 4});
    assert_eq!(client.status("status").await?, stopped);
    let pid = client.run("status", "start").await?;
    let status = client.status("status").await?;
    let uptime = status["uptime_secs"].as_u64().context("no uptime")?;
    assert!(uptime < 10, "{status}");
    let running =
        json!({"id": "status", "status": "running", "pid": pid, "uptime_secs": uptime, "tools_count": 4});
    assert_eq!(status, running);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let later = client.status("status").await?["uptime_secs"].as_u64().context("no uptime")?;
    assert!(later >= uptime + 2, "{uptime}, then {later}");
    client.stop("status").await?;
    assert_eq!(client.status("status").await?, stopped);
    // An integration that was created in the other dialect runs from the start.
    let created = world.postern.register("Status created", &stub.url("/modern?tools=1")).await?;
    let status = client.status(&created.slug).await?;
    assert_eq!((&status["status"], &status["tools_count"]), (&json!("running"), &json!(1)));
    hoziron_refuses("GET", |id| format!("/integrations/{id}/status")).await
}

#[tokio::test]
async fn the_tools_of_an_integration() -> Result<()> {
    let (world, stub) = (world().await?, fixtures::stub()?);
    let client = Hoziron::of(&world.postern)?;
    client.install_probed(json!({"source": stub.url("/modern?tools=2"), "id": "tools"}), 2).await?;
    let expected = json!({"tools": [
        {"name": "echo", "description": "Echoes the message back."},
        {"name": "add", "description": "Adds two numbers."},
    ]});
    let tools = async || client.api.get("/integrations/tools/tools").await;
    assert_eq!(
        tools().await?.expect(200)?,
        expected,
        "in the upstream's order, also while the integration is stopped"
    );
    client.run("tools", "start").await?;
    assert_eq!(tools().await?.expect(200)?, expected);

    // A tool that the upstream gives no description has none here either.
    stub.set_tool(json!({"name": "add", "inputSchema": {"type": "object"}}));
    client.run("tools", "restart").await?;
    assert_eq!(tools().await?.expect(200)?["tools"][1], json!({"name": "add"}));

    let dead = fixtures::stub()?.url("/modern");
    let id = client.install(json!({"source": dead, "id": "tools-dead"})).await?;
    let answer = client.api.get(&format!("/integrations/{id}/tools")).await?;
    hoziron(&answer, "InvalidState").context("never discovered")?;
    hoziron_refuses("GET", |id| format!("/integrations/{id}/tools")).await
}
