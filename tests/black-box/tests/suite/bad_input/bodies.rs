//! Bodies that are too large, no JSON, or break a rule.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{INTEGRATIONS, json_rpc, kontext, refused, world};

#[tokio::test]
async fn a_body_over_the_limit_is_413() -> Result<()> {
    let padding = "x".repeat(2 * 1024 * 1024);
    let body = format!(r#"{{"name":"Big","url":"https://big.example.com/mcp","serverToken":"{padding}"}}"#);
    let answer = refused("integrations", 413, async |world| {
        world.postern.admin()?.post_text(INTEGRATIONS, body).await
    })
    .await?;
    kontext(&answer)?;

    let huge = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":"{}"}}}}"#,
        "x".repeat(5 * 1024 * 1024)
    );
    for path in ["/mcp", "/integrations/taken/mcp"] {
        let body = huge.clone();
        let answer =
            refused(path, 413, async |world| world.postern.admin()?.post_text(path, body).await).await?;
        json_rpc(&answer)?;
    }
    Ok(())
}

/// How long a body takes to read must follow from its length, not from what a peer has put into it.
#[tokio::test]
async fn very_many_members_take_no_longer_than_one_of_their_length() -> Result<()> {
    let members: Vec<String> = (0..100_000).map(|n| format!("\"m{n}\":0")).collect();
    let many = format!("{{\"name\":\"a__b\",{}}}", members.join(","));
    let few = format!("{{\"name\":\"a__b\",\"m\":\"{}\"}}", "x".repeat(many.len()));
    let admin = world().await?.postern.admin()?;
    let time = async |params: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let started = tokio::time::Instant::now();
        let answer = admin.post_text("/mcp", body).await?;
        anyhow::ensure!(answer.json()?["error"]["code"] == -32602, "{}", answer.text);
        Ok(started.elapsed())
    };
    let (plain, crowded) = (time(&few).await?, time(&many).await?);
    // Comparing each member with all others takes seconds more; a busy machine takes less than one.
    let bound = plain * 10 + Duration::from_secs(2);
    anyhow::ensure!(crowded < bound, "{crowded:?}, with few members {plain:?}");
    Ok(())
}

/// The same body in chunks, whose length no header announces.
#[tokio::test]
async fn a_body_over_the_limit_is_413_also_without_a_content_length() -> Result<()> {
    let answer = refused("chunked", 413, async |world| {
        let chunk = || Ok::<_, std::io::Error>("x".repeat(64 * 1024));
        let chunks = std::iter::once_with(|| Ok("{\"name\":\"".to_owned()))
            .chain(std::iter::repeat_with(chunk).take(40));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        world.postern.admin()?.post_text(INTEGRATIONS, body).await
    })
    .await?;
    kontext(&answer)?;
    Ok(())
}

/// The answer may arrive long before the end of the body; a sender that reads only then must still get the answer,
/// not a connection that was reset (RFC 9112, section 9.6).
#[tokio::test]
async fn a_sender_that_reads_only_after_its_body_still_finds_the_refusal() -> Result<()> {
    let postern = &world().await?.postern;
    for (key, status) in [(postern.admin_key(), "413"), ("nobody's", "401")] {
        let mut connection = TcpStream::connect(postern.address()).await?;
        let part = vec![b'x'; 6 * 1024 * 1024];
        let head = format!(
            "POST {INTEGRATIONS} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            postern.address(),
            part.len() * 2
        );
        connection.write_all(head.as_bytes()).await?;
        for _ in 0..2 {
            connection.write_all(&part).await.context("while the body was sent")?;
            // A server that closes the connection early has closed it by now.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let mut first = String::new();
        BufReader::new(connection).read_line(&mut first).await.context("after the body was sent")?;
        assert!(first.starts_with(&format!("HTTP/1.1 {status} ")), "{first:?}");
    }
    Ok(())
}

/// Pairs of a body and the text that the refusal must contain.
fn wrong_bodies() -> Vec<(String, &'static str)> {
    let long = "n".repeat(201);
    let url = "https://mcp.example.com/mcp";
    let json = |value: Value| value.to_string();
    vec![
        (String::new(), "JSON"),
        ("{".to_owned(), "JSON"),
        ("not json".to_owned(), "JSON"),
        (format!(r#"{{"name":"A","url":"{url}"}} trailing"#), "JSON"),
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
        (json(json!({"url": url})), "name"),
        (json(json!({"name": "A"})), "url"),
        (json(json!({"name": "", "url": url})), "name"),
        (json(json!({"name": "   ", "url": url})), "name"),
        (json(json!({"name": long, "url": url})), "name"),
        (json(json!({"name": "A\u{0}B", "url": url})), "name"),
        (json(json!({"name": 7, "url": url})), "string"),
        (json(json!({"name": "A", "url": 7})), "string"),
        (json(json!({"name": "A", "url": url, "authMod": "none"})), "authMod"),
        (json(json!({"name": "A", "url": url, "server_token": "x"})), "server_token"),
        (json(json!({"name": "A", "url": url, "id": "x"})), "id"),
        (json(json!({"name": "A", "url": url, "authMode": "basic"})), "none"),
        (json(json!({"name": "A", "url": url, "category": "other"})), "gateway_remote_mcp"),
        (json(json!({"name": "A", "url": url, "authMode": "server_token"})), "serverToken"),
        (
            json(json!({"name": "A", "url": url, "authMode": "server_token", "serverToken": ""})),
            "serverToken",
        ),
        (
            json(json!({"name": "A", "url": url, "authMode": "server_token", "serverToken": "a\nb"})),
            "serverToken",
        ),
        (json(json!({"name": "A", "url": url, "authMode": "none", "serverToken": "x"})), "serverToken"),
        (json(json!({"name": "A", "url": url, "serverToken": "x"})), "serverToken"),
        (format!(r#"{{"name":"A","name":"B","url":"{url}"}}"#), "name"),
    ]
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_is_400_and_names_it() -> Result<()> {
    for (body, named) in wrong_bodies() {
        let answer = refused(&body, 400, async |world| {
            world.postern.admin()?.post_text(INTEGRATIONS, body.clone()).await
        })
        .await?;
        let message = kontext(&answer)?;
        assert!(message.contains(named), "{body}: {message}");
    }
    Ok(())
}

/// A value in a refused body may be a secret in the wrong field.
#[tokio::test]
async fn a_refusal_echoes_no_value() -> Result<()> {
    for body in [
        json!({"name": "A", "url": "canary-in-url"}),
        json!({"name": "A", "url": "https://u:canary-password@mcp.example.com/"}),
        json!({"name": "A", "url": "https://mcp.example.com/", "authMode": "canary-mode"}),
        json!({"name": "A", "url": "https://mcp.example.com/", "serverToken": {"canary": 1}}),
        json!({"name": {"canary": 1}, "url": "https://mcp.example.com/"}),
    ] {
        let answer =
            refused("echo", 400, async |world| world.postern.admin()?.post(INTEGRATIONS, &body).await)
                .await?;
        assert!(!answer.text.contains("canary"), "{body}: {}", answer.text);
    }
    Ok(())
}

/// Bodies that are made to exhaust a parser's memory or stack: each is refused, and Postern still answers afterwards.
#[tokio::test]
async fn a_hostile_body_is_survived() -> Result<()> {
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let arrays = nested("[", "]");
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let keys: Vec<_> = (0..50_000).map(|n| format!(r#""k{n}":1"#)).collect();
    for value in [arrays, objects, format!("{{{}}}", keys.join(",")), "1e999999".to_owned()] {
        let start: String = value.chars().take(20).collect();
        let registration =
            format!(r#"{{"name":"A","url":"https://a.example.com/","capabilities":{value},"x":1}}"#);
        refused(&start, 400, async |world| {
            world.postern.admin()?.post_text(INTEGRATIONS, registration).await
        })
        .await?;
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a__b","arguments":{value}}}}}"#
        );
        let api = world().await?.postern.admin()?;
        let answer = api.post_text("/mcp", call).await?.json()?;
        assert_eq!(answer["error"]["code"], -32602, "{start}: {answer}");
        assert_eq!(api.get("/health").await?.status, 200, "{start}");
    }
    Ok(())
}
