//! Real MCP servers through the whole life of an integration in the Hoziron dialect: installed, started, listed,
//! called, stopped, restarted, removed.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use black_box::{Upstream, mcp};
use serde_json::{Value, json};

use crate::{
    agent_by_hand::{Agent, Legacy, Modern},
    fixtures,
    registry::Hoziron,
};

/// A call that must succeed, and the text of its result.
struct Call {
    tool: &'static str,
    arguments: Value,
    answer: &'static str,
}

async fn whole_life(id: &str, upstream: &Upstream, call: Call) -> Result<()> {
    let postern = fixtures::postern().await?;
    let (client, admin) = (Hoziron::of(&postern)?, postern.admin()?);
    let tools = fixtures::tools_of(upstream.url()).await?;
    let (endpoint, prefixed) = (format!("/integrations/{id}/mcp"), fixtures::prefixed(id, &tools));
    client
        .install_probed(json!({"source": {"url": upstream.url(), "name": id}, "id": id}), tools.len())
        .await?;
    ensure!(
        client.tools(id).await?.into_iter().collect::<BTreeSet<_>>() == tools,
        "the catalogue differs from the upstream before the start"
    );
    ensure!(fixtures::modern_tools(&admin, "/mcp").await?.is_empty(), "tools are offered before the start");

    let mut pids = Vec::new();
    for action in ["start", "restart", "start"] {
        pids.push(client.run(id, action).await?);
        fixtures::seen(&postern, "all of its tools are offered", async || {
            let modern = fixtures::modern_tools(&admin, "/mcp").await?;
            let legacy = fixtures::legacy_tools(&admin, "/mcp").await?;
            Ok((modern == prefixed && legacy == prefixed).then_some(()))
        })
        .await?;
        for (era, path, tool) in [
            (Legacy, endpoint.as_str(), call.tool.to_owned()),
            (Modern, endpoint.as_str(), call.tool.to_owned()),
            (Legacy, "/mcp", format!("{id}__{}", call.tool)),
            (Modern, "/mcp", format!("{id}__{}", call.tool)),
        ] {
            let agent = Agent::open(era, admin.clone(), path).await?;
            let reply = agent.call(json!(1), &tool, call.arguments.clone()).await?;
            let result = reply.result(&json!(1)).with_context(|| format!("{action}, {era:?} at {path}"))?;
            ensure!(mcp::text(result) == call.answer, "{action}, {era:?} at {path}: {result}");
        }
        if action == "restart" {
            stopped(&postern, &client, id, &call).await?;
        }
    }
    ensure!(pids.is_sorted() && pids.len() == 3 && pids[0] < pids[1] && pids[1] < pids[2], "{pids:?}");
    let removed = client.api.delete(&format!("/integrations/{id}?force=true")).await?.expect(200)?;
    ensure!(removed == json!({"id": id, "installed": false}), "{removed}");
    fixtures::seen(&postern, "none of the removed integration's tools is offered", async || {
        Ok(fixtures::modern_tools(&admin, "/mcp").await?.is_empty().then_some(()))
    })
    .await
}

/// Checks that a stopped integration is out of every list, refused in every call, and still in the registry.
async fn stopped(postern: &black_box::Postern, client: &Hoziron, id: &str, call: &Call) -> Result<()> {
    let admin = postern.admin()?;
    let count = client.tools(id).await?.len();
    client.stop(id).await?;
    fixtures::seen(postern, "none of its tools is offered", async || {
        let modern = fixtures::modern_tools(&admin, "/mcp").await?;
        let legacy = fixtures::legacy_tools(&admin, "/mcp").await?;
        Ok((modern.is_empty() && legacy.is_empty()).then_some(()))
    })
    .await?;
    for era in [Legacy, Modern] {
        let agent = Agent::open(era, admin.clone(), "/mcp").await?;
        let tool = format!("{id}__{}", call.tool);
        fixtures::seen(postern, "calls of the integration's tools are refused", async || {
            let reply = agent.call(json!(1), &tool, call.arguments.clone()).await?;
            let Ok(error) = reply.error(&json!(1)) else { return Ok(None) };
            ensure!(error["message"].as_str().unwrap_or_default().contains("Unknown tool"), "{error}");
            Ok(Some(()))
        })
        .await?;
    }
    ensure!(client.tools(id).await?.len() == count, "the catalogue is kept");
    Ok(())
}

#[tokio::test]
async fn server_everything_lives_a_whole_life() -> Result<()> {
    let call = Call { tool: "echo", arguments: json!({"message": "hello"}), answer: "Echo: hello" };
    whole_life("everything-connector", fixtures::everything().await?, call).await
}

#[tokio::test]
async fn the_python_reference_server_lives_a_whole_life() -> Result<()> {
    let call = Call {
        tool: "test_simple_text",
        arguments: json!({}),
        answer: "This is a simple text response for testing.",
    };
    whole_life("python-connector", fixtures::python().await?, call).await
}

/// Many servers read only as many bytes as `Content-Length` announces, among them those on Python's `http.server`.
#[tokio::test]
async fn a_server_that_wants_the_length_of_a_body_gets_it() -> Result<()> {
    let (upstream, postern) = (Upstream::python_http_server().await?, fixtures::postern().await?);
    let integration = postern.register("Lengths", upstream.url()).await?;
    for era in [Legacy, Modern] {
        let agent = Agent::open(era, postern.admin()?, &integration.path()).await?;
        let reply = agent.call(json!(1), "echo", json!({"message": "twelve bytes"})).await?;
        let result = reply.result(&json!(1))?;
        ensure!(mcp::text(result) == "twelve bytes", "{era:?}: {result}");
    }
    Ok(())
}
