//! Progress reaches the agent as the upstream sends it, not at the end: the stub holds each further event back
//! until the test has received the one before and releases the next.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use black_box::{Postern, eventually, mcp};
use serde_json::{Value, json};
use stub_upstream::Stub;
use tokio::sync::OnceCell;

use crate::{
    agent_by_hand::{Agent, Era, Legacy, Modern, PAIRS},
    fixtures,
};

async fn postern() -> Result<&'static Postern> {
    static POSTERN: OnceCell<Postern> = OnceCell::const_new();
    POSTERN.get_or_try_init(fixtures::postern).await
}

async fn behind(name: &str, agent: Era, endpoint: &str) -> Result<(Stub, Agent)> {
    let stub = fixtures::stub()?;
    let integration = postern().await?.register(name, &stub.url(endpoint)).await?;
    let agent = Agent::open(agent, postern().await?.admin()?, &integration.path()).await?;
    Ok((stub, agent))
}

fn ensure_progress(message: &Value, token: &Value, step: u64, steps: u64) -> Result<()> {
    ensure!(message["method"] == "notifications/progress", "not progress: {message}");
    ensure!(message.get("id").is_none(), "a notification with an id: {message}");
    let params = &message["params"];
    ensure!(
        &params["progressToken"] == token,
        "the token is {} where {token} was given",
        params["progressToken"]
    );
    ensure!(params["progress"] == step && params["total"] == steps, "step {step} of {steps}: {message}");
    ensure!(params["message"] == format!("step {step} of {steps}"), "{message}");
    Ok(())
}

#[tokio::test]
async fn each_progress_notification_arrives_before_the_next_is_sent() -> Result<()> {
    for (agent_era, upstream_era) in PAIRS {
        let name = format!("Gated {agent_era:?} {upstream_era:?}");
        let (stub, agent) = behind(&name, agent_era, upstream_era.endpoint()).await?;
        // The agent chooses the token, a string or an integer, and must get it back unchanged.
        for (gate, token) in [("text", json!("token-1")), ("number", json!(42))] {
            let id = json!(gate);
            let arguments = json!({"steps": 3, "gate": gate});
            let mut events = agent.stream(id.clone(), "gated_progress", arguments, token.clone()).await?;
            for step in 1..=3 {
                ensure_progress(&events.message().await?, &token, step, 3)?;
                // The upstream sends the next event only now. If Postern held events back, the line above would not
                // return.
                stub.release(gate);
            }
            let response = events.message().await?;
            assert_eq!(response["id"], id);
            assert_eq!(mcp::text(&response["result"]), "done");
            assert_eq!(response["result"].get("resultType").is_some(), agent_era == Modern, "{response}");
            assert_eq!(events.next().await?, None, "something follows the response");
            assert!(!events.headers.contains_key("mcp-session-id"), "only initialize names the session");
        }
    }
    Ok(())
}

/// Two calls with the same token and the same id, by two agents at the same time, do not get each other's events.
#[tokio::test]
async fn concurrent_streams_do_not_mix() -> Result<()> {
    let (stub, first) = behind("Concurrent", Modern, "/dual").await?;
    let second = Agent::open(Legacy, first.api.clone(), &first.path).await?;
    let token = json!("same");
    let call = |gate: &str| json!({"steps": 2, "gate": gate});
    let mut one = first.stream(json!(1), "gated_progress", call("one"), token.clone()).await?;
    let mut two = second.stream(json!(1), "gated_progress", call("two"), token.clone()).await?;
    ensure_progress(&one.message().await?, &token, 1, 2)?;
    ensure_progress(&two.message().await?, &token, 1, 2)?;
    // The second call finishes first.
    stub.release("two");
    ensure_progress(&two.message().await?, &token, 2, 2)?;
    stub.release("two");
    assert_eq!(mcp::text(&two.message().await?["result"]), "done");
    stub.release("one");
    ensure_progress(&one.message().await?, &token, 2, 2)?;
    stub.release("one");
    assert_eq!(mcp::text(&one.message().await?["result"]), "done");
    Ok(())
}

#[tokio::test]
async fn without_a_token_there_is_no_progress_but_the_result() -> Result<()> {
    for (agent_era, upstream_era) in PAIRS {
        let name = format!("Tokenless {agent_era:?} {upstream_era:?}");
        let (_stub, agent) = behind(&name, agent_era, upstream_era.endpoint()).await?;
        let reply = agent.call(json!(1), "slow_progress", json!({"steps": 3, "delay_ms": 1})).await?;
        assert_eq!(mcp::text(reply.result(&json!(1))?), "done");
        assert!(reply.notifications().is_empty(), "{:?}", reply.messages);
    }
    Ok(())
}

#[tokio::test]
async fn many_small_events_arrive_complete_and_in_order() -> Result<()> {
    let (_stub, agent) = behind("Many", Modern, "/modern").await?;
    let arguments = json!({"steps": 500, "delay_ms": 0});
    let mut events = agent.stream(json!(1), "slow_progress", arguments, json!(7)).await?;
    for step in 1..=500 {
        ensure_progress(&events.message().await?, &json!(7), step, 500)?;
    }
    assert_eq!(mcp::text(&events.message().await?["result"]), "done");
    Ok(())
}

/// An upstream may answer every request with an event stream; the agent gets the response in it.
#[tokio::test]
async fn an_upstream_that_streams_single_answers_is_understood() -> Result<()> {
    for (agent_era, upstream_era) in PAIRS {
        let name = format!("Single {agent_era:?} {upstream_era:?}");
        let (_stub, agent) = behind(&name, agent_era, &format!("{}?sse=1", upstream_era.endpoint())).await?;
        let reply = agent.call(json!("s"), "echo", json!({"message": "streamed"})).await?;
        assert_eq!(mcp::text(reply.result(&json!("s"))?), "Echo: streamed");
        assert_eq!(reply.messages.len(), 1);
    }
    Ok(())
}

/// In the modern era an agent cancels a call by closing the response stream, and the upstream must learn of that.
/// The runtime notices that an agent has left when the next event cannot be written, so the upstream's stream lasts
/// until then.
#[tokio::test]
async fn an_agent_that_leaves_cancels_the_call_upstream() -> Result<()> {
    for upstream_era in [Legacy, Modern] {
        let (stub, agent) =
            behind(&format!("Left {upstream_era:?}"), Modern, upstream_era.endpoint()).await?;
        let arguments = json!({"steps": 1000, "gate": "on"});
        let mut events = agent.stream(json!(1), "gated_progress", arguments, json!("t")).await?;
        ensure_progress(&events.message().await?, &json!("t"), 1, 1000)?;
        assert_eq!(stub.cancelled_streams(), 0);
        drop(events);
        eventually("Postern gives up the upstream's stream", async || {
            stub.release("on");
            Ok((stub.cancelled_streams() == 1).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// When an upstream's stream breaks off, the agent's request ends with an error, not with silence.
#[tokio::test]
async fn a_stream_that_dies_ends_with_an_error_for_the_request() -> Result<()> {
    for (agent_era, upstream_era) in PAIRS {
        for clean in ["", "&clean=1"] {
            let name = format!("Dying {agent_era:?} {upstream_era:?} {}", clean.len());
            let era = if upstream_era == Modern { "modern" } else { "legacy" };
            let (_stub, agent) =
                behind(&name, agent_era, &format!("/die-mid-stream?era={era}{clean}")).await?;
            let mut events = agent.stream(json!("d"), "echo", json!({"message": "x"}), json!("t")).await?;
            ensure_progress(&events.message().await?, &json!("t"), 1, 2)?;
            let response = events.message().await?;
            assert_eq!(response["id"], "d", "{name}: {response}");
            assert!(
                response.get("error").is_some() || response["result"]["isError"] == true,
                "{name}: {response}"
            );
            assert_eq!(events.next().await?, None, "{name}");
        }
    }
    Ok(())
}

/// The control of the tests above: a closed gate of the stub does hold the next event back.
#[tokio::test]
async fn the_gate_of_the_stub_holds() -> Result<()> {
    let stub = fixtures::stub()?;
    let agent = Agent::open(Modern, black_box::api::Api::to(&stub.url(""))?, "/modern").await?;
    let mut events =
        agent.stream(json!(1), "gated_progress", json!({"steps": 2, "gate": "g"}), json!("t")).await?;
    ensure_progress(&events.message().await?, &json!("t"), 1, 2)?;
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), events.message()).await;
    assert!(early.is_err(), "an event passed the closed gate");
    let seen: BTreeSet<_> = fixtures::calls(&stub).iter().map(|call| call.path.clone()).collect();
    assert_eq!(seen, BTreeSet::from(["/modern".to_owned()]));
    Ok(())
}

/// An agent that accepts no event streams gets the response alone, as JSON; an agent that accepts neither form gets
/// 406.
#[tokio::test]
async fn the_accept_header_decides_the_form_of_the_answer() -> Result<()> {
    let (_stub, agent) = behind("Accept", Modern, "/modern").await?;
    let params = json!({
        "name": "slow_progress",
        "arguments": {"steps": 2, "delay_ms": 1},
        "_meta": {"progressToken": "t"},
    });
    for (accept, status, form) in [
        ("application/json, text/event-stream", 200, "text/event-stream"),
        ("*/*", 200, "text/event-stream"),
        ("application/json", 200, "application/json"),
        ("text/html", 406, "application/json"),
    ] {
        let request = agent.request(json!(1), "tools/call", params.clone())?;
        let sent = agent
            .api
            .request(reqwest::Method::POST, &agent.path)
            .headers(request.headers)
            .header("accept", accept)
            .json(&request.body);
        let answer = black_box::api::Answer::of(sent).await?;
        assert_eq!(answer.status, status, "{accept}: {}", answer.text);
        assert!(answer.header("content-type").starts_with(form), "{accept}: {:?}", answer.headers);
        if form == "application/json" && status == 200 {
            assert_eq!(mcp::text(&answer.json()?["result"]), "done");
        }
    }
    Ok(())
}
