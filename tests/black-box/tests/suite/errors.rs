//! Upstreams that fail: the agent always gets an answer to its request, in Postern's words. A call of an unknown tool
//! is a JSON-RPC error (-32602); an upstream's failure is a tool result with `isError`, so that the model can react.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::{Postern, Settings, mcp};
use serde_json::json;
use stub_upstream::Stub;
use tokio::sync::OnceCell;

use crate::{
    agent_by_hand::{Agent, Era, Legacy, Modern},
    fixtures,
};

/// How long an upstream may be silent in these tests.
const PATIENCE: Duration = Duration::from_secs(1);

async fn postern() -> Result<&'static Postern> {
    static POSTERN: OnceCell<Postern> = OnceCell::const_new();
    POSTERN
        .get_or_try_init(async || {
            let patience = PATIENCE.as_millis().to_string();
            fixtures::postern_with(Settings::new()?.with("UPSTREAM_TIMEOUT_MS", patience)).await
        })
        .await
}

fn endpoint(era: Era) -> &'static str {
    match era {
        Legacy => "era=legacy",
        Modern => "era=modern",
    }
}

/// Calls `echo`, checks the form of the failure, and returns its text.
async fn failure(agent: &Agent, slug: &str) -> Result<String> {
    let id = json!("failing");
    let reply = agent.call(id.clone(), "echo", json!({"message": "peer's words"})).await?;
    let result = reply.result(&id)?;
    ensure!(result["isError"] == true, "no failure: {result}");
    ensure!((agent.era == Modern) == (result["resultType"] == "complete"), "{result}");
    let text = mcp::text(result);
    let prefix = format!("upstream:{slug}: ");
    Ok(text.strip_prefix(&prefix).with_context(|| format!("{text} does not begin with {prefix}"))?.to_owned())
}

/// Checks that a call fails with `reason`, and that its audit row says so.
async fn assert_fails(name: &str, slug: &str, path: &str, reason: &str) -> Result<()> {
    let postern = postern().await?;
    for (count, era) in [Legacy, Modern].into_iter().enumerate() {
        let agent = Agent::open(era, postern.admin()?, path).await?;
        let text = failure(&agent, slug).await.with_context(|| format!("{name}, agent {era:?}"))?;
        assert!(text.contains(reason), "{name}, agent {era:?}: {text}");
        for row in postern.audit("connection = ?1", json!([slug]), count + 1).await? {
            assert_eq!((&row["success"], &row["authorized"]), (&json!(0), &json!(1)), "{name}: {row}");
            assert_eq!(row["error_message"], text, "{name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_with_code_32602() -> Result<()> {
    let postern = postern().await?;
    let stub = fixtures::stub()?;
    let integration = postern.register("Unknown tool", &stub.url("/dual")).await?;
    let own = integration.path();
    let long = "x".repeat(5000);
    for era in [Legacy, Modern] {
        for (path, tool) in [
            ("/mcp", "nobody__nothing"),
            ("/mcp", "unknown-tool__nothing"),
            ("/mcp", "echo"),
            ("/mcp", "unknown-tool__"),
            ("/mcp", "unknown-tool"),
            ("/mcp", "__echo"),
            ("/mcp", ""),
            (own.as_str(), "nothing"),
            (own.as_str(), "unknown-tool__echo"),
            (own.as_str(), "Echo"),
            (own.as_str(), long.as_str()),
        ] {
            let agent = Agent::open(era, postern.admin()?, path).await?;
            stub.forget_requests();
            let reply = agent.call(json!(1), tool, json!({})).await?;
            assert_eq!(reply.error(&json!(1))?["code"], -32602, "{era:?} {path} {tool}");
            assert_eq!(reply.http.status, 200, "{era:?} {path} {tool}");
            assert!(fixtures::calls(&stub).is_empty(), "{tool} reached the upstream");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_call_of_the_wrong_form_is_an_error_with_code_32602() -> Result<()> {
    let postern = postern().await?;
    for era in [Legacy, Modern] {
        let agent = Agent::open(era, postern.admin()?, "/mcp").await?;
        for params in
            [json!({}), json!({"name": 7}), json!({"name": null}), json!({"name": "a__b", "arguments": []})]
        {
            let reply = agent.send(json!(1), "tools/call", params.clone()).await?;
            assert_eq!(reply.error(&json!(1))?["code"], -32602, "{era:?} {params}: {}", reply.http.text);
        }
        for cursor in [json!("forged"), json!(7)] {
            let reply = agent.send(json!(1), "tools/list", json!({"cursor": cursor})).await?;
            assert_eq!(
                reply.error(&json!(1))?["code"],
                -32602,
                "{era:?} cursor {cursor}: {}",
                reply.http.text
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_dead_upstream_is_a_failure_of_the_tool() -> Result<()> {
    for era in [Legacy, Modern] {
        let stub = fixtures::stub()?;
        let integration =
            postern().await?.register(&format!("Dead {era:?}"), &stub.url(era.endpoint())).await?;
        drop(stub);
        assert_fails("dead", &integration.slug, &integration.path(), "cannot be reached").await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_a_failure_of_the_tool() -> Result<()> {
    for era in [Legacy, Modern] {
        let stub = fixtures::stub()?;
        let url = stub.url(&format!("/hang-call?{}", endpoint(era)));
        let integration = postern().await?.register(&format!("Hanging {era:?}"), &url).await?;
        assert_fails("hanging", &integration.slug, &integration.path(), "did not answer in time").await?;
    }
    Ok(())
}

/// The limit is on silence: a stream that keeps sending is not cut off, a stream that stops sending is.
#[tokio::test]
async fn a_stream_may_be_long_but_not_silent() -> Result<()> {
    let stub = fixtures::stub()?;
    let integration = postern().await?.register("Silent", &stub.url("/dual")).await?;
    for era in [Legacy, Modern] {
        let agent = Agent::open(era, postern().await?.admin()?, &integration.path()).await?;
        let steady = json!({"steps": 5, "delay_ms": 400});
        let reply = agent.call(json!(1), "slow_progress", steady).await?;
        assert_eq!(
            mcp::text(reply.result(&json!(1))?),
            "done",
            "{era:?}: longer than the limit, never silent"
        );

        let arguments = json!({"steps": 2, "gate": "never"});
        let mut events = agent.stream(json!(2), "gated_progress", arguments, json!("t")).await?;
        assert_eq!(events.message().await?["params"]["progress"], 1);
        let response = events.message().await?;
        assert_eq!(
            (&response["id"], &response["result"]["isError"]),
            (&json!(2), &json!(true)),
            "{response}"
        );
        assert!(mcp::text(&response["result"]).contains("did not answer in time"), "{response}");
        assert_eq!(events.next().await?, None);
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() -> Result<()> {
    let stub = fixtures::stub()?;
    let cases =
        [("sized", "bytes=67108864"), ("chunked", "bytes=67108864&chunked=1"), ("one event", "sse=line")];
    for (name, shape) in cases {
        for era in [Legacy, Modern] {
            let url = stub.url(&format!("/huge-call?{shape}&{}", endpoint(era)));
            let integration = postern().await?.register(&format!("Huge {name} {era:?}"), &url).await?;
            assert_fails(name, &integration.slug, &integration.path(), "is larger than").await?;
        }
    }
    Ok(())
}

/// Endless small events are not silence; the limit on the size of an answer ends the stream.
#[tokio::test]
async fn a_stream_of_events_without_end_is_cut_off() -> Result<()> {
    let stub = fixtures::stub()?;
    let integration =
        postern().await?.register("Endless", &stub.url("/huge-call?sse=1&bytes=1&era=modern")).await?;
    let agent = Agent::open(Modern, postern().await?.admin()?, &integration.path()).await?;
    let failed = tokio::time::timeout(Duration::from_secs(40), failure(&agent, &integration.slug)).await;
    assert!(
        failed.context("an endless stream of events is not cut off within 40 s")??.contains("is larger than")
    );
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_a_failure_of_the_tool() -> Result<()> {
    let stub = fixtures::stub()?;
    for era in [Legacy, Modern] {
        let url = stub.url(&format!("/bad-json-call?{}", endpoint(era)));
        let integration = postern().await?.register(&format!("Bad JSON {era:?}"), &url).await?;
        assert_fails("bad JSON", &integration.slug, &integration.path(), "not a JSON-RPC response").await?;
    }
    Ok(())
}

/// Registers and validates a working endpoint, then changes its URL in the database to one that fails.
async fn broken_later(stub: &Stub, name: &str, path: &str) -> Result<(String, String)> {
    let postern = postern().await?;
    let integration = postern.register(name, &stub.url("/modern")).await?;
    let sql = "UPDATE integrations SET url = ?1 WHERE id = ?2 RETURNING id";
    let changed = postern.sql(sql, json!([stub.url(path), integration.id])).await?;
    ensure!(changed.len() == 1, "the URL was not changed");
    Ok((integration.slug.clone(), integration.path()))
}

#[tokio::test]
async fn a_status_that_is_no_success_is_a_failure_of_the_tool() -> Result<()> {
    let stub = fixtures::stub()?;
    for (status, reason) in [
        (500, "HTTP 500"),
        (503, "HTTP 503"),
        (404, "HTTP 404"),
        (429, "HTTP 429"),
        (401, "refused the credential (HTTP 401)"),
        (403, "refused the credential (HTTP 403)"),
    ] {
        let (slug, path) =
            broken_later(&stub, &format!("Status {status}"), &format!("/status/{status}")).await?;
        assert_fails(&status.to_string(), &slug, &path, reason).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_never_followed() -> Result<()> {
    let (stub, target) = (fixtures::stub()?, fixtures::stub()?);
    let to = format!("/redirect?to={}", target.url("/modern"));
    let (slug, path) = broken_later(&stub, "Redirect", &to).await?;
    assert_fails("redirect", &slug, &path, "redirect (HTTP 302)").await?;
    assert!(target.requests().is_empty(), "the redirect was followed");
    Ok(())
}

#[tokio::test]
async fn a_web_page_is_a_failure_of_the_tool_and_none_of_its_words_is_shown() -> Result<()> {
    let stub = fixtures::stub()?;
    let (slug, path) = broken_later(&stub, "Web page", "/html").await?;
    assert_fails("html", &slug, &path, "not MCP").await?;
    let agent = Agent::open(Modern, postern().await?.admin()?, &path).await?;
    assert!(!failure(&agent, &slug).await?.contains("web page"));
    Ok(())
}
