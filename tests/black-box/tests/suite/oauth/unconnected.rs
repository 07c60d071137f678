//! What an agent gets whose user has not connected: a link, in the form that the agent can use.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use black_box::{
    api::Api,
    mcp::{LEGACY, Request},
    oauth::PUBLIC_URL,
};
use serde_json::{Value, json};

use super::{World, link};
use crate::agent_by_hand::{Agent, Legacy, Modern};
use crate::dialects::keys;

const URL_MODE: &str = r#"{"elicitation": {"url": {}}}"#;

/// An integration whose tools are known because another user has connected, and a user who has not connected.
async fn known(name: &str) -> Result<(&'static World, black_box::Integration, Api)> {
    let world = World::shared().await?;
    let integration = world.integration(name, &world.provider.mcp(), json!({})).await?;
    let pioneer = world.user("pioneer").await?;
    world.connect_first(&pioneer, "pioneer", &integration).await?;
    Ok((world, integration, world.user("newcomer").await?))
}

/// Opens a legacy session in which the agent declares `capabilities`.
async fn session(api: &Api, path: &str, capabilities: &Value) -> Result<String> {
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": capabilities,
        "clientInfo": {"name": "black-box", "version": "1"},
    });
    let reply = Request::legacy(None, json!(0), "initialize", params)?.send(api, path).await?;
    reply.result(&json!(0))?;
    Ok(reply.http.header("mcp-session-id").to_owned())
}

/// A modern call that declares `capabilities`.
fn declaring(capabilities: &Value, params: Value) -> Result<Request> {
    let mut request = Request::modern(json!(7), "tools/call", params)?;
    request.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    Ok(request)
}

fn is_link(url: &Value) -> Result<&str> {
    let url = url.as_str().context("no URL")?;
    ensure!(url.starts_with(&format!("{PUBLIC_URL}/oauth/connect?ticket=")), "{url}");
    Ok(url)
}

#[tokio::test]
async fn an_agent_without_elicitation_gets_a_failed_result_with_the_link() -> Result<()> {
    let (world, integration, newcomer) = known("Plain agents").await?;
    for era in [Legacy, Modern] {
        for path in ["/mcp".to_owned(), integration.path()] {
            let agent = Agent::open(era, newcomer.clone(), &path).await?;
            let tool =
                if path == "/mcp" { format!("{}__whoami", integration.slug) } else { "whoami".to_owned() };
            let reply = agent.call(json!(1), &tool, json!({})).await?;
            let result = reply.result(&json!(1))?;
            assert_eq!(result["isError"], true, "{result}");
            let text = black_box::mcp::text(result);
            let reason = format!("upstream:{}: you have not connected it yet: open ", integration.slug);
            assert!(text.starts_with(&reason), "{text}");
            assert!(text.contains(&format!("{PUBLIC_URL}/oauth/connect?ticket=")), "{text}");
        }
    }
    let condition = "connection = ?1 AND success = 0";
    let rows = world.postern.audit(condition, json!([integration.slug]), 4).await?;
    for row in rows {
        assert!(!row.to_string().contains("ticket="), "{row}");
    }
    // A second call fails for the same reason.
    let (first, second) = (
        link(&newcomer, &integration.slug, "whoami").await?,
        link(&newcomer, &integration.slug, "whoami").await?,
    );
    assert_eq!(first.0, second.0);
    // An unknown tool is refused as unknown, whether or not the user has connected.
    let agent = Agent::open(Modern, newcomer, &integration.path()).await?;
    let unknown = agent.call(json!(1), "no-such-tool", json!({})).await?;
    assert_eq!(unknown.error(&json!(1))?["code"], -32602);
    Ok(())
}

#[tokio::test]
async fn a_modern_agent_is_asked_for_input() -> Result<()> {
    let (world, integration, newcomer) = known("Modern agents").await?;
    let (path, capabilities): (_, Value) = (integration.path(), serde_json::from_str(URL_MODE)?);
    let params = json!({"name": "whoami", "arguments": {}});
    let reply = declaring(&capabilities, params.clone())?.send(&newcomer, &path).await?;
    let result = reply.result(&json!(7))?;
    assert_eq!(keys(result), ["inputRequests", "resultType"], "{result}");
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(keys(&result["inputRequests"]), ["postern-connect"]);
    let asked = &result["inputRequests"]["postern-connect"];
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    assert_eq!(asked["params"]["mode"], "url", "{asked}");
    let message = asked["params"]["message"].as_str().context("no message")?;
    assert!(message.contains(&integration.slug), "{message}");
    is_link(&asked["params"]["url"])?;

    // Only an agent that can open URLs is asked for input.
    for other in
        [json!({}), json!({"elicitation": {}}), json!({"elicitation": {"form": {}}}), json!({"sampling": {}})]
    {
        let reply = declaring(&other, params.clone())?.send(&newcomer, &path).await?;
        let result = reply.result(&json!(7))?;
        ensure!(result["isError"] == true && result["inputRequests"].is_null(), "{other}: {result}");
    }

    // The agent repeats the call with its answer, before and after its user has connected.
    let answers = json!({"postern-connect": {"action": "accept"}});
    let again = super::with(params, &json!({"inputResponses": answers}));
    let reply = declaring(&capabilities, again.clone())?.send(&newcomer, &path).await?;
    assert_eq!(reply.result(&json!(7))?["resultType"], "input_required");
    world.connect(&newcomer, "newcomer", &integration).await?;
    let result = crate::fixtures::seen(&world.postern, "the call goes through", async || {
        let reply = declaring(&capabilities, again.clone())?.send(&newcomer, &path).await?;
        let result = reply.result(&json!(7))?.clone();
        Ok((result["resultType"] != "input_required").then_some(result))
    })
    .await?;
    assert!(black_box::mcp::text(&result).contains("\"sub\":\"newcomer\""), "{result}");
    Ok(())
}

#[tokio::test]
async fn a_legacy_agent_gets_the_error_that_names_the_elicitation() -> Result<()> {
    let (_, integration, newcomer) = known("Legacy agents").await?;
    let path = integration.path();
    let params = json!({"name": "whoami", "arguments": {}});
    let call = async |session: &str| {
        Request::legacy(Some(session), json!(3), "tools/call", params.clone())?.send(&newcomer, &path).await
    };
    let reply = call(&session(&newcomer, &path, &serde_json::from_str(URL_MODE)?).await?).await?;
    assert_eq!(reply.http.status, 200, "{:?}", reply.http);
    let error = reply.error(&json!(3))?;
    assert_eq!(error["code"], -32042, "{error}");
    assert!(!error["message"].as_str().context("no message")?.is_empty());
    assert_eq!(keys(&error["data"]), ["elicitations"], "{error}");
    let elicitations = error["data"]["elicitations"].as_array().context("no elicitations")?;
    assert_eq!(elicitations.len(), 1);
    assert_eq!(keys(&elicitations[0]), ["elicitationId", "message", "mode", "url"], "{error}");
    assert_eq!(elicitations[0]["mode"], "url");
    is_link(&elicitations[0]["url"])?;

    // The declaration of one session does not count for another one, and form mode is not URL mode.
    for other in [json!({}), json!({"elicitation": {}}), json!({"elicitation": {"form": {}}})] {
        let reply = call(&session(&newcomer, &path, &other).await?).await?;
        let result = reply.result(&json!(3))?;
        ensure!(result["isError"] == true, "{other}: {result}");
    }
    Ok(())
}

/// Lists do not need a connection.
#[tokio::test]
async fn lists_do_not_depend_on_being_connected() -> Result<()> {
    let (_, integration, newcomer) = known("Lists").await?;
    let listed = crate::fixtures::modern_tools(&newcomer, &integration.path()).await?;
    assert!(listed.contains("whoami") && listed.contains("write"), "{listed:?}");
    let legacy = crate::fixtures::legacy_tools(&newcomer, &integration.path()).await?;
    assert_eq!(listed, legacy);
    Ok(())
}

/// A program has nobody who could sign in, and a link would let a person connect an account to it.
#[tokio::test]
async fn a_key_of_a_program_gets_no_link() -> Result<()> {
    let (world, integration, _) = known("No link for programs").await?;
    let program =
        world.postern.caller(&world.postern.insert_key("program", &["admin", "service"], None).await?)?;
    for era in [Legacy, Modern] {
        let agent = Agent::open(era, program.clone(), "/mcp").await?;
        let reply = agent.call(json!(1), &format!("{}__whoami", integration.slug), json!({})).await?;
        let result = reply.result(&json!(1))?;
        ensure!(result["isError"] == true && !result.to_string().contains("ticket="), "{result}");
        let text = black_box::mcp::text(result);
        ensure!(text.contains("this key stands for a program, which cannot sign in"), "{text}");
    }
    Ok(())
}

/// The tools that a user is shown for an integration, at both endpoints in both eras.
async fn shown(user: &Api, integration: &black_box::Integration) -> Result<BTreeSet<String>> {
    let own = crate::fixtures::modern_tools(user, &integration.path()).await?;
    assert_eq!(own, crate::fixtures::legacy_tools(user, &integration.path()).await?);
    let prefix = format!("{}__", integration.slug);
    for all in [
        crate::fixtures::modern_tools(user, "/mcp").await?,
        crate::fixtures::legacy_tools(user, "/mcp").await?,
    ] {
        let mine = all.iter().filter_map(|tool| tool.strip_prefix(&prefix)).map(str::to_owned);
        assert_eq!(mine.collect::<BTreeSet<_>>(), own);
    }
    Ok(own)
}

/// Nobody has connected, so nobody knows the tools: from the list to the link, and from there to the real tools.
#[tokio::test]
async fn an_integration_that_nobody_has_connected_to_offers_the_way_to_connect() -> Result<()> {
    let world = World::shared().await?;
    let integration = world.integration("Nobody yet", &world.provider.mcp(), json!({})).await?;
    let newcomer = world.user("first of all").await?;
    assert_eq!(shown(&newcomer, &integration).await?, BTreeSet::from(["connect".to_owned()]));
    let program =
        world.postern.caller(&world.postern.insert_key("program 2", &["admin", "service"], None).await?)?;
    assert_eq!(shown(&program, &integration).await?, BTreeSet::new(), "a program cannot sign in");

    // Each form of the link: in the text of a result, and as an elicitation in either era.
    let exposed = format!("{}__connect", integration.slug);
    for era in [Legacy, Modern] {
        for (path, tool) in [("/mcp".to_owned(), exposed.as_str()), (integration.path(), "connect")] {
            let agent = Agent::open(era, newcomer.clone(), &path).await?;
            let reply = agent.call(json!(1), tool, json!({})).await?;
            let result = reply.result(&json!(1))?;
            ensure!(result["isError"] != true, "{result}");
            let text = black_box::mcp::text(result);
            ensure!(text.contains(&format!("Open {PUBLIC_URL}/oauth/connect?ticket=")), "{text}");
            let refused =
                Agent::open(era, program.clone(), &path).await?.call(json!(1), tool, json!({})).await?;
            assert_eq!(refused.error(&json!(1))?["code"], -32602);
        }
    }
    let capabilities: Value = serde_json::from_str(URL_MODE)?;
    let call = json!({"name": "connect", "arguments": {}});
    let reply = declaring(&capabilities, call.clone())?.send(&newcomer, &integration.path()).await?;
    is_link(&reply.result(&json!(7))?["inputRequests"]["postern-connect"]["params"]["url"])?;
    let opened = session(&newcomer, &integration.path(), &capabilities).await?;
    let reply = Request::legacy(Some(&opened), json!(3), "tools/call", call.clone())?;
    let reply = reply.send(&newcomer, &integration.path()).await?;
    assert_eq!(reply.error(&json!(3))?["code"], -32042);
    is_link(&reply.error(&json!(3))?["data"]["elicitations"][0]["url"])?;

    world.connect_first(&newcomer, "newcomer", &integration).await?;
    for path in ["/mcp".to_owned(), integration.path()] {
        let prefix = if path == "/mcp" { format!("{}__", integration.slug) } else { String::new() };
        crate::fixtures::seen(&world.postern, "the real tools take its place", async || {
            let tools = crate::fixtures::modern_tools(&newcomer, &path).await?;
            let has = |tool: &str| tools.contains(&format!("{prefix}{tool}"));
            Ok((has("whoami") && !has("connect")).then_some(()))
        })
        .await?;
    }
    // The agent repeats its call once the link was opened.
    let answers = super::with(call, &json!({"inputResponses": {"postern-connect": {"action": "accept"}}}));
    let reply = declaring(&capabilities, answers)?.send(&newcomer, &integration.path()).await?;
    let text = black_box::mcp::text(reply.result(&json!(7))?).to_owned();
    ensure!(text.starts_with("You are connected to "), "{text}");
    Ok(())
}
