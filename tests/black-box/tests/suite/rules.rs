//! The rules of each era towards agents: what is negotiated, what is refused with which error, what the era removed.

use anyhow::{Context as _, Result};
use black_box::mcp::{LEGACY, MODERN, Request};
use serde_json::{Value, json};

use crate::{
    agent_by_hand::{Agent, Legacy},
    eras::{CLIENT_CAPABILITIES, PROTOCOL_VERSION, SERVER_INFO, assert_legacy, assert_modern, postern},
};

#[tokio::test]
async fn initialize_negotiates_the_legacy_revisions_and_nothing_else() -> Result<()> {
    let api = postern().await?.admin()?;
    for (asked, answered) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let params = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let reply = Request::legacy(None, json!("i"), "initialize", params)?.send(&api, "/mcp").await?;
        let result = reply.result(&json!("i"))?;
        assert_eq!(result["protocolVersion"], answered, "asked for {asked}");
        assert!(result["capabilities"]["tools"].is_object(), "{result}");
        assert_eq!(result["serverInfo"]["name"], "postern");
        assert_legacy(result, "initialize");
    }
    Ok(())
}

#[tokio::test]
async fn server_discover_answers_what_a_modern_agent_needs() -> Result<()> {
    let api = postern().await?.admin()?;
    let reply = Request::modern(json!(5), "server/discover", json!({}))?.send(&api, "/mcp").await?;
    let result = reply.result(&json!(5))?;
    assert_modern(result, &reply.http, "server/discover");
    assert_eq!(result["supportedVersions"], json!([MODERN]));
    assert!(result["capabilities"]["tools"].is_object(), "{result}");
    assert!(result["ttlMs"].is_u64(), "{result}");
    assert_eq!(result["cacheScope"], "private");
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "postern");
    Ok(())
}

/// The mistake in a modern request decides status and code; the id is echoed with its type.
#[tokio::test]
async fn a_wrong_modern_request_gets_the_status_and_code_of_its_mistake() -> Result<()> {
    let api = postern().await?.admin()?;
    let good =
        || Request::modern(json!("x"), "tools/call", json!({"name": "nobody__nothing", "arguments": {}}));
    let edit = |key: &str, value: Value| -> Result<Request> {
        let mut request = good()?;
        let meta = request.body["params"]["_meta"].as_object_mut().context("no _meta")?;
        match value {
            Value::Null => meta.remove(key),
            value => meta.insert(key.to_owned(), value),
        };
        Ok(request)
    };
    let mut no_meta = good()?;
    no_meta.body["params"]["_meta"] = json!({});
    let table = [
        ("no version header", good()?.with_header("mcp-protocol-version", "")?, -32020),
        ("a legacy version header", good()?.with_header("mcp-protocol-version", LEGACY)?, -32020),
        ("no method header", good()?.with_header("mcp-method", "")?, -32020),
        ("another method header", good()?.with_header("mcp-method", "tools/list")?, -32020),
        ("a method header in another case", good()?.with_header("mcp-method", "Tools/Call")?, -32020),
        ("no name header", good()?.with_header("mcp-name", "")?, -32020),
        ("another name header", good()?.with_header("mcp-name", "other__tool")?, -32020),
        ("a name header that is no base64", good()?.with_header("mcp-name", "=?base64?!?=")?, -32020),
        ("no capabilities", edit(CLIENT_CAPABILITIES, Value::Null)?, -32602),
        ("capabilities that are a list", edit(CLIENT_CAPABILITIES, json!([]))?, -32602),
        ("a version that is a number", edit(PROTOCOL_VERSION, json!(20_260_728))?, -32602),
        ("no _meta under a modern header", no_meta, -32602),
        (
            "an unknown version",
            edit(PROTOCOL_VERSION, json!("2099-01-01"))?.with_header("mcp-protocol-version", "2099-01-01")?,
            -32022,
        ),
    ];
    for (what, request, code) in table {
        let reply = request.send(&api, "/mcp").await?;
        assert_eq!(reply.http.status, 400, "{what}: {}", reply.http.text);
        let error = reply.error(&json!("x")).with_context(|| what.to_owned())?;
        assert_eq!(error["code"], code, "{what}: {error}");
        if code == -32022 {
            assert_eq!(error["data"], json!({"supported": [MODERN], "requested": "2099-01-01"}));
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_the_modern_era_removed_is_404_and_method_not_found() -> Result<()> {
    let api = postern().await?.admin()?;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "no/such/method",
    ] {
        let reply = Request::modern(json!(method), method, json!({}))?.send(&api, "/mcp").await?;
        assert_eq!(reply.http.status, 404, "{method}: {}", reply.http.text);
        assert_eq!(reply.error(&json!(method))?["code"], -32601, "{method}");
    }
    Ok(())
}

#[tokio::test]
async fn the_legacy_era_answers_ping_notifications_and_unknown_methods() -> Result<()> {
    let agent = Agent::open(Legacy, postern().await?.admin()?, "/mcp").await?;
    let reply = agent.send(json!(1), "ping", json!({})).await?;
    assert_eq!(reply.result(&json!(1))?, &json!({}));

    let reply = agent.send(json!(2), "no/such/method", json!({})).await?;
    assert_eq!(reply.error(&json!(2))?["code"], -32601);

    let mut notification = agent.request(json!(3), "notifications/cancelled", json!({"requestId": 9}))?;
    notification.body.as_object_mut().context("no object")?.remove("id");
    let reply = notification.send(&agent.api, "/mcp").await?;
    assert_eq!((reply.http.status, reply.http.text.as_str()), (202, ""));
    Ok(())
}

#[tokio::test]
async fn an_invalid_message_is_400_with_the_code_of_json_rpc() -> Result<()> {
    let api = postern().await?.admin()?;
    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        ("null", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        ("[]", -32600),
    ] {
        let answer = api.post_text("/mcp", body).await?;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert_eq!(answer.json()?["error"]["code"], code, "{body}");
    }
    let modern = Request::modern(json!(1), "tools/list", json!({}))?.body;
    let answer = api.post("/mcp", &json!([modern])).await?;
    assert_eq!((answer.status, answer.json()?["error"]["code"].clone()), (400, json!(-32600)));
    Ok(())
}

/// Revision 2025-03-26 has batches: one answer per request, none per notification.
#[tokio::test]
async fn a_batch_of_the_one_revision_that_has_them_is_answered_as_one() -> Result<()> {
    let api = postern().await?.admin()?;
    let request = |id: Value, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let batch = json!([
        request(json!("a"), "ping"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request(json!(2), "no/such/method"),
    ]);
    let answer = api.post("/mcp", &batch).await?.expect(200)?;
    let answers = answer.as_array().context("not an array")?;
    assert_eq!(answers.len(), 2, "{answer}");
    for answer in answers {
        match &answer["id"] {
            id if *id == "a" => assert_eq!(answer["result"], json!({})),
            id if *id == 2 => assert_eq!(answer["error"]["code"], -32601),
            _ => panic!("{answer}"),
        }
    }
    let silent = json!([{"jsonrpc": "2.0", "method": "notifications/initialized"}]);
    let answer = api.post("/mcp", &silent).await?;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
    Ok(())
}
