//! The audit: one row per call and per denial, complete, soon after the answer, and without any secret.

use anyhow::{Context as _, Result};
use black_box::{Integration, Postern};
use serde_json::{Value, json};
use stub_upstream::Stub;

use crate::{
    agent_by_hand::{Agent, Legacy, Modern},
    fixtures, secrets,
};

async fn world(path: &str) -> Result<(Postern, Stub, Integration)> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let integration = postern.register("Audited", &stub.url(path)).await?;
    Ok((postern, stub, integration))
}

#[tokio::test]
async fn a_call_leaves_one_complete_row() -> Result<()> {
    let (postern, _stub, integration) = world("/dual").await?;
    let key = postern.insert_key("auditee", &["admin"], None).await?;
    postern.sql("UPDATE api_keys SET email = 'a@example.com' WHERE name = 'auditee'", json!([])).await?;
    let mut answers = Vec::new();
    for (era, path, tool) in
        [(Legacy, "/mcp".to_owned(), "audited__echo"), (Modern, integration.path(), "echo")]
    {
        let agent = Agent::open(era, postern.caller(&key)?, &path).await?;
        let reply = agent.call(json!(1), tool, json!({"message": "hello"})).await?;
        reply.result(&json!(1))?;
        answers.push(reply.http.header("x-request-id").to_owned());
    }
    let rows = postern
        .audit("user_id = (SELECT 'key:' || id FROM api_keys WHERE name = 'auditee')", json!([]), 2)
        .await?;
    for (row, request_id) in rows.iter().zip(answers) {
        assert_eq!(row["request_id"], request_id);
        let id = row["id"].as_str().context("no id")?;
        assert!(id.starts_with("evt_") && id.len() == 36, "{id}");
        assert_eq!(row["user_email"], "a@example.com");
        assert_eq!(row["persona"], "admin");
        assert_eq!(row["tool_name"], "audited__echo");
        assert_eq!(row["connection"], "audited");
        assert_eq!((&row["success"], &row["authorized"]), (&json!(1), &json!(1)));
        assert_eq!(row["error_message"], Value::Null);
        assert_eq!(row["content_blocks"], 1);
        let parameters: Value = serde_json::from_str(row["parameters"].as_str().context("no parameters")?)?;
        assert_eq!(parameters, json!({"message": "hello"}));
        assert!(row["timestamp"].as_i64().context("no timestamp")? > 1_700_000_000_000);
        assert!((0..60_000).contains(&row["duration_ms"].as_i64().context("no duration")?));
        assert!(row["request_chars"].as_i64() > Some(0) && row["response_chars"].as_i64() > Some(0), "{row}");
    }
    Ok(())
}

#[tokio::test]
async fn every_one_of_many_concurrent_calls_has_its_row() -> Result<()> {
    let (postern, _stub, integration) = world("/modern").await?;
    let agent = Agent::open(Modern, postern.admin()?, &integration.path()).await?;
    let calls = (0..60).map(|n| agent.call(json!(n), "add", json!({"a": n, "b": 1})));
    for (n, reply) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(black_box::mcp::text(reply?.result(&json!(n))?), (n + 1).to_string());
    }
    let rows = postern.audit("tool_name = 'audited__add'", json!([]), 60).await?;
    let mut seen = Vec::new();
    for row in &rows {
        let parameters: Value = serde_json::from_str(row["parameters"].as_str().context("no parameters")?)?;
        seen.push(parameters["a"].as_i64().context("no a")?);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn failures_and_unknown_tools_have_rows_too() -> Result<()> {
    let (postern, _stub, integration) = world("/dual").await?;
    let agent = Agent::open(Modern, postern.admin()?, &integration.path()).await?;
    agent.call(json!(1), "fail", json!({})).await?;
    agent.call(json!(2), "protocol_error", json!({})).await?;
    agent.call(json!(3), "no_such_tool", json!({})).await?;
    for (tool, authorized) in
        [("audited__fail", Some(1)), ("audited__protocol_error", Some(1)), ("audited__no_such_tool", None)]
    {
        let row = postern.audit("tool_name = ?1", json!([tool]), 1).await?.remove(0);
        assert_eq!(row["success"], 0, "{row}");
        assert!(row["error_message"].is_string(), "{row}");
        if let Some(authorized) = authorized {
            assert_eq!(row["authorized"], authorized, "{row}");
        }
    }
    Ok(())
}

/// A streamed call is audited when the stream has ended, with the time that the call took.
#[tokio::test]
async fn a_streamed_call_is_audited_at_its_end() -> Result<()> {
    let (postern, stub, integration) = world("/modern").await?;
    let agent = Agent::open(Modern, postern.admin()?, &integration.path()).await?;
    let mut events =
        agent.stream(json!(1), "gated_progress", json!({"steps": 2, "gate": "g"}), json!("t")).await?;
    events.message().await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(
        postern
            .sql("SELECT id FROM audit_events WHERE event_kind = 'mcp_tool_call'", json!([]))
            .await?
            .is_empty(),
        "audited before the end"
    );
    stub.release("g");
    stub.release("g");
    while events.next().await?.is_some() {}
    let row = postern.audit("tool_name = 'audited__gated_progress'", json!([]), 1).await?.remove(0);
    assert_eq!((&row["success"], &row["content_blocks"]), (&json!(1), &json!(1)), "{row}");
    assert!(row["duration_ms"].as_i64() >= Some(300), "{row}");
    Ok(())
}

/// An agent that closes the connection in the middle of a stream leaves a row too: the call did reach the upstream.
#[tokio::test]
async fn an_abandoned_call_is_audited() -> Result<()> {
    let (postern, stub, integration) = world("/modern").await?;
    let agent = Agent::open(Modern, postern.admin()?, &integration.path()).await?;
    let arguments = json!({"steps": 1000, "gate": "on"});
    let mut events = agent.stream(json!(1), "gated_progress", arguments, json!("t")).await?;
    events.message().await?;
    drop(events);
    black_box::eventually("Postern gives up the upstream's stream", async || {
        stub.release("on");
        Ok((stub.cancelled_streams() == 1).then_some(()))
    })
    .await?;
    let row = postern.audit("tool_name = 'audited__gated_progress'", json!([]), 1).await?.remove(0);
    assert_eq!(row["success"], 0, "{row}");
    assert!(row["error_message"].is_string(), "{row}");
    Ok(())
}

#[tokio::test]
async fn listing_leaves_no_row() -> Result<()> {
    let (postern, _stub, integration) = world("/dual").await?;
    fixtures::legacy_tools(&postern.admin()?, "/mcp").await?;
    fixtures::modern_tools(&postern.admin()?, &integration.path()).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let calls = "SELECT * FROM audit_events WHERE event_kind <> 'management_write'";
    assert_eq!(postern.sql(calls, json!([])).await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn secrets_among_the_arguments_are_not_kept() -> Result<()> {
    let (postern, stub, integration) = world("/dual").await?;
    let agent = Agent::open(Modern, postern.admin()?, &integration.path()).await?;
    let arguments = json!({
        "message": "kept",
        "password": "canary-1",
        "API-Key": "canary-2",
        "nested": [{"Access_Token": {"deep": "canary-3"}, "kept": true}],
    });
    agent.call(json!(1), "echo", arguments.clone()).await?.result(&json!(1))?;
    let sent = fixtures::calls(&stub).pop().context("no call")?.json().context("no JSON")?;
    assert_eq!(sent["params"]["arguments"], arguments, "the upstream gets the arguments unchanged");
    let row = postern.audit("tool_name = 'audited__echo'", json!([]), 1).await?.remove(0);
    let parameters: Value = serde_json::from_str(row["parameters"].as_str().context("no parameters")?)?;
    assert_eq!(parameters["message"], "kept");
    assert_eq!(parameters["nested"][0]["kept"], true);
    assert!(!parameters.to_string().contains("canary"), "{parameters}");
    secrets::ensure_unseen(&postern, &["canary-1", "canary-2", "canary-3"], &[]).await
}
