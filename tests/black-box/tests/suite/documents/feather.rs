//! The Feather document: its curl line with its body, the defaults that it lists, and the answer.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Printed, kind};
use crate::fixtures;

const DOCUMENT: &str = include_str!("feather.txt");

/// The members of a body or of an answer, as the document lists them: name, type, and whether it is required.
struct Member {
    kind: &'static str,
    is_nullable: bool,
    is_required: bool,
    default: Option<&'static str>,
}

/// Reads a list of members: the name, the type, and perhaps `required` or `default:…`, a line each.
fn members(part: &'static str, names: &[&'static str]) -> Result<BTreeMap<&'static str, Member>> {
    let mut lines = part.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        let Some(name) = names.iter().copied().find(|name| *name == line) else { continue };
        let text = lines.next().with_context(|| format!("no type of {name}"))?;
        let kind = match text.split([' ', '<', '[']).next() {
            Some("Headers") => "object",
            _ if text.starts_with("string[]") => "array",
            Some("string") => "string",
            _ => anyhow::bail!("the type {text} of {name}"),
        };
        let is_required = lines.next_if_eq(&"required").is_some();
        let default =
            lines.next_if(|line| line.starts_with("default:")).and_then(|line| line.strip_prefix("default:"));
        found.insert(name, Member { kind, is_nullable: text.contains("null"), is_required, default });
    }
    ensure!(found.len() == names.len(), "not all of {names:?} were found");
    Ok(found)
}

/// The curl line, its body as JSON, and the printed answer.
fn printed() -> Result<(Printed, Value, Value)> {
    let rest = DOCUMENT.split_once("\ncurl ").context("no curl line")?.1;
    let (command, rest) = rest.split_once("\n'\n").context("no end of the body")?;
    let line = Printed::read(&format!("curl {command}\n'"))?;
    let body = serde_json::from_str(line.body.as_deref().context("no body")?)?;
    let answer = serde_json::Deserializer::from_str(rest).into_iter().next().context("no answer")??;
    Ok((line, body, answer))
}

/// Checks an answer against the printed one and against the list of members.
fn check(answer: &Value, printed: &Value) -> Result<()> {
    let names = ["connection_id", "status", "vendor", "authorize_url", "state"];
    let part = DOCUMENT.split_once("\nResponse\n").context("no response")?.1;
    let mut got = answer.clone();
    got.as_object_mut().context("no object")?.remove("ignored_fields");
    ensure!(crate::dialects::keys(&got) == crate::dialects::keys(printed), "printed {printed}, got {answer}");
    for (name, member) in members(part, &names)? {
        let found = kind(&got[name]);
        ensure!(found == member.kind || (member.is_nullable && found == "null"), "{name}: {answer}");
        ensure!(!member.is_required || found != "null", "{name}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn the_curl_line_of_the_feather_document_works_as_printed() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let (mut line, body, expected) = printed()?;
    assert_eq!(
        (line.method.as_str(), line.path.as_str()),
        ("POST", "/v1/integrations/connections/custom-mcp")
    );
    assert_eq!(line.headers[1], ("x-api-key".to_owned(), "<api-key>".to_owned()));
    line.headers[1].1 = postern.admin_key().to_owned();
    let oauth =
        ["oauth_authorize_url", "oauth_token_url", "oauth_client_id", "oauth_client_secret", "oauth_scopes"];
    for (auth_type, ignored) in [
        ("none", [&["token", "api_key"][..], &oauth].concat()),
        ("bearer", [&["api_key"][..], &oauth].concat()),
        ("api_key", [&["token"][..], &oauth].concat()),
    ] {
        // Of the printed body only the name, the URL and the type are filled in: the rest is sent as it is.
        let mut body = body.clone();
        body["nickname"] = json!(format!("As printed {auth_type}"));
        body["server_url"] = json!(stub.url("/modern"));
        body["auth_type"] = json!(auth_type);
        line.body = Some(body.to_string());
        let answer = line.send(&postern.stranger()?).await?.expect(201)?;
        check(&answer, &expected).context(auth_type)?;
        assert_eq!((&answer["status"], &answer["vendor"]), (&json!("active"), &json!("custom_mcp")));
        assert_eq!((&answer["authorize_url"], &answer["state"]), (&Value::Null, &Value::Null));
        assert_eq!(answer["ignored_fields"], json!(ignored), "{auth_type}");
    }
    let sql =
        "SELECT count(*) AS n FROM integrations WHERE oauth IS NOT NULL OR oauth_client_secret IS NOT NULL";
    assert_eq!(postern.number(sql).await?, 0, "nothing that is ignored is stored");
    Ok(())
}

#[tokio::test]
async fn every_default_of_the_feather_document_may_be_written_out() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let (mut line, body, expected) = printed()?;
    line.headers[1].1 = postern.admin_key().to_owned();
    let names: Vec<&'static str> = vec![
        "nickname",
        "server_url",
        "transport",
        "auth_type",
        "token",
        "api_key",
        "api_key_header",
        "headers",
        "oauth_authorize_url",
        "oauth_token_url",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_scopes",
    ];
    assert_eq!(crate::dialects::keys(&body).len(), names.len());
    let part = DOCUMENT.split_once("\nBody\n").context("no body")?.1;
    let part = part.split_once("\nResponse\n").context("no response")?.0;
    let mut written = json!({});
    for (name, member) in members(part, &names)? {
        written[name] = match (member.default, member.kind, member.is_nullable) {
            (Some(default), _, _) => json!(default),
            (None, _, true) => Value::Null,
            (None, "object", _) => json!({}),
            (None, "array", _) => json!([]),
            _ => json!(stub.url("/modern")),
        };
    }
    written["nickname"] = json!("Defaults");
    line.body = Some(written.to_string());
    let answer = line.send(&postern.stranger()?).await?.expect(201)?;
    check(&answer, &expected)?;
    assert_eq!(crate::dialects::keys(&answer), crate::dialects::keys(&expected), "nothing is called ignored");
    assert_eq!(answer["status"], "active");
    Ok(())
}
