//! The Hoziron dialect: every mistake is refused in the dialect's envelope, with its category, and nothing is
//! written.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Findings, hoziron, refused};
use crate::fixtures;

const INSTALL: &str = "/integrations/install";

/// Pairs of a body and the text that the refusal must contain.
fn wrong_installations() -> Vec<(Value, &'static str)> {
    let url = "https://mcp.example.com/mcp";
    let with = |members: Value| {
        let mut body = json!({"source": url});
        for (name, value) in members.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    };
    let inline = |members: Value| {
        let mut source = json!({"url": url});
        for (name, value) in members.as_object().into_iter().flatten() {
            source[name] = value.clone();
        }
        json!({"source": source, "id": "inline-wrong"})
    };
    let header = |name: &str, value: &str| {
        inline(json!({"headers": [{"name": name, "value": value}], "credentials": [{"key": "A"}]}))
    };
    let bare = |name: &str, value: &str| inline(json!({"headers": [{"name": name, "value": value}]}));
    vec![
        (json!({}), "source"),
        (json!([]), ""),
        (json!({"source": null}), "source"),
        (json!({"source": ""}), "source"),
        (json!({"source": 7}), "source"),
        (json!({"source": []}), "source"),
        (json!({"source": {}}), ""),
        (json!({"source": "http://mcp.example.com/mcp"}), "https"),
        (json!({"source": "https://10.0.0.1/mcp"}), "private or reserved address"),
        (json!({"source": "https://user:canary@mcp.example.com/"}), "user information"),
        (json!({"source": {"url": "https://169.254.169.254/"}}), "private or reserved address"),
        (json!({"source": {"url": "file:///etc/passwd"}}), "https"),
        (with(json!({"id": ""})), "id"),
        (with(json!({"id": "Upper-Case"})), "id"),
        (with(json!({"id": "under_score"})), "id"),
        (with(json!({"id": "double__underscore"})), "id"),
        (with(json!({"id": "-leading"})), "id"),
        (with(json!({"id": "with space"})), "id"),
        (with(json!({"id": "a/b"})), "id"),
        (with(json!({"id": "x".repeat(100)})), "id"),
        (with(json!({"id": "ünicode"})), "id"),
        (with(json!({"id": 7})), ""),
        (with(json!({"name": ""})), "name"),
        (with(json!({"name": "n".repeat(201)})), "name"),
        (with(json!({"name": "a\u{7}b"})), "name"),
        (with(json!({"credentials": []})), "credentials"),
        (with(json!({"credentials": {"NOBODY_ASKED": "canary"}})), "credential key"),
        (with(json!({"config": []})), "config"),
        (with(json!({"config": {"auth_mode": "bearer"}})), "auth_mode"),
        (with(json!({"config": {"tool_policy": "never"}})), "tool_policy"),
        (with(json!({"config": {"no_such_variable": "v"}})), "no_such_variable"),
        (with(json!({"sauce": "canary"})), "sauce"),
        (with(json!({"serverToken": "canary"})), "serverToken"),
        (inline(json!({"name": ""})), "name"),
        (inline(json!({"transport": "stdio"})), "transport"),
        (inline(json!({"auth_mode": "bearer"})), "auth_mode"),
        (inline(json!({"headers": {}})), "headers"),
        (inline(json!({"credentials": {"KEY": "canary"}})), "credentials"),
        (inline(json!({"credentials": [{"key": ""}]})), "credential"),
        (inline(json!({"credentials": [{"key": "A"}, {"key": "A"}]})), "A"),
        (header("Host", "canary {A}"), "host"),
        (header("Content-Length", "canary {A}"), "content-length"),
        (header("Mcp-Session-Id", "canary {A}"), "mcp-session-id"),
        (header("X A", "canary {A}"), "header"),
        (header("X-A", "canary {A"), "header"),
        (header("X-A", "canary\r\nX-Evil: {A}"), "header"),
        // The same header in a template that declares no credential.
        (bare("Host", "canary {A}"), "host"),
        (bare("X A", "canary {A}"), "header"),
        (bare("X-A", "canary {A"), "header"),
        (bare("X-A", "canary\r\nX-Evil: {A}"), "header"),
    ]
}

#[tokio::test]
async fn a_wrong_installation_is_a_validation_error() -> Result<()> {
    let mut findings = Findings::default();
    for (body, named) in wrong_installations() {
        let check = async {
            let answer =
                refused("install", 400, async |world| world.postern.admin()?.post(INSTALL, &body).await)
                    .await?;
            let message = hoziron(&answer, "ValidationError")?;
            ensure!(message.contains(named), "{named} is not named: {message}");
            ensure!(!answer.text.contains("canary"), "a value is echoed: {}", answer.text);
            Ok(())
        };
        findings.note(&body.to_string(), check.await);
    }
    findings.none()
}

/// Wrong values of a credential that the source declares.
#[tokio::test]
async fn a_wrong_credential_is_a_validation_error_and_not_echoed() -> Result<()> {
    let long = format!("canary{}", "x".repeat(16 * 1024));
    for value in [
        json!(""),
        json!(7),
        json!(null),
        json!({"canary": 1}),
        json!("canary\r\nX-Evil: 1"),
        json!("canary\u{0}"),
        json!(long),
    ] {
        let body = json!({
            "source": {
                "url": "https://mcp.example.com/mcp",
                "headers": [{"name": "X-Api-Key", "value": "{API_KEY}"}], "credentials": [{"key": "API_KEY"}],
            },
            "id": "credential-wrong",
            "credentials": {"API_KEY": value},
        });
        let answer =
            refused("credential", 400, async |world| world.postern.admin()?.post(INSTALL, &body).await)
                .await?;
        hoziron(&answer, "ValidationError")?;
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_source_is_not_found() -> Result<()> {
    for source in [
        "no-such-thing",
        "connector",
        "-connector",
        "githubs",
        "github-connector-connector",
        "../github",
        "GITHUB?",
    ] {
        let body = json!({"source": source});
        let answer =
            refused(source, 404, async |world| world.postern.admin()?.post(INSTALL, &body).await).await?;
        hoziron(&answer, "NotFound").context(source)?;
    }
    Ok(())
}

/// The id and the display name of an existing integration; then concurrent installations with one id.
#[tokio::test]
async fn an_id_or_a_name_that_is_taken_is_a_duplicate() -> Result<()> {
    let url = "https://mcp.example.com/mcp";
    for body in [
        json!({"source": url, "id": "taken"}),
        json!({"source": {"url": url, "name": "Something else"}, "id": "taken"}),
        json!({"source": url, "id": "something-else", "name": "Taken"}),
    ] {
        let answer =
            refused(&body.to_string(), 409, async |world| world.postern.admin()?.post(INSTALL, &body).await)
                .await?;
        hoziron(&answer, "Duplicate").with_context(|| body.to_string())?;
    }

    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let admin = postern.admin()?;
    let body = json!({"source": stub.url("/modern?tools=1"), "id": "race"});
    let answers = futures_util::future::join_all((0..6).map(|_| admin.post(INSTALL, &body))).await;
    let mut statuses = answers.into_iter().map(|answer| Ok(answer?.status)).collect::<Result<Vec<_>>>()?;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
    assert_eq!(postern.sql("SELECT slug FROM integrations", json!([])).await?, [json!({"slug": "race"})]);
    Ok(())
}

#[tokio::test]
async fn an_unreadable_body_is_a_validation_error_with_its_own_status() -> Result<()> {
    for body in [
        "",
        "{",
        "null",
        "not json",
        "{\"source\":\"github\"} trailing",
        "{\"source\":\"a\",\"source\":\"b\"}",
    ] {
        let answer =
            refused(body, 400, async |world| world.postern.admin()?.post_text(INSTALL, body).await).await?;
        hoziron(&answer, "ValidationError").context(body)?;
    }
    let huge = format!(r#"{{"source":"{}"}}"#, "x".repeat(11 * 1024 * 1024));
    let answer =
        refused("huge", 413, async |world| world.postern.admin()?.post_text(INSTALL, huge).await).await?;
    hoziron(&answer, "ValidationError")?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_route_or_method_is_refused_in_the_dialect() -> Result<()> {
    for (method, path) in [
        ("PUT", "/integrations"),
        ("POST", "/integrations"),
        ("GET", INSTALL),
        ("GET", "/integrations/taken"),
        ("GET", "/integrations/taken/start"),
        ("DELETE", "/integrations/taken/stop"),
        ("POST", "/integrations/taken/status"),
        ("POST", "/integrations/taken/tools"),
    ] {
        let answer = refused(method, 405, async |world| world.postern.admin()?.call(method, path).await)
            .await
            .context(path)?;
        hoziron(&answer, "ValidationError").with_context(|| format!("{method} {path}"))?;
        assert!(!answer.header("allow").is_empty(), "{method} {path}");
    }
    for path in ["/integrations/taken/no-such-part", "/integrations/taken/tools/echo"] {
        let answer = refused(path, 404, async |world| world.postern.admin()?.get(path).await).await?;
        hoziron(&answer, "NotFound").context(path)?;
    }
    Ok(())
}

/// A caller without a valid key, and one who may use integrations but not manage them.
#[tokio::test]
async fn a_caller_without_the_right_is_refused_in_the_dialect() -> Result<()> {
    for (method, path) in [
        ("GET", "/integrations"),
        ("GET", "/integrations/catalog"),
        ("POST", INSTALL),
        ("DELETE", "/integrations/taken?force=true"),
        ("POST", "/integrations/taken/start"),
        ("POST", "/integrations/taken/stop"),
        ("POST", "/integrations/taken/restart"),
        ("GET", "/integrations/taken/status"),
        ("GET", "/integrations/taken/tools"),
    ] {
        let body = json!({"source": "https://mcp.example.com/mcp"});
        for (status, category) in [(401, "Unauthorized"), (403, "Forbidden")] {
            let answer = refused(path, status, async |world| {
                let api = match status {
                    401 => world.postern.caller(&world.expired)?,
                    _ => world.postern.caller(&world.developer)?,
                };
                black_box::api::Answer::of(api.request(method.parse()?, path).json(&body)).await
            })
            .await?;
            hoziron(&answer, category).with_context(|| format!("{method} {path}"))?;
        }
    }
    Ok(())
}
