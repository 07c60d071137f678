//! The Kontext document. It prints tables and no bodies: every endpoint is called, every field of a request is sent, and
//! every field of an answer has the printed type.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use black_box::{Postern, api::Answer};
use serde_json::{Value, json};
use stub_upstream::Stub;

use super::{kind, rows};
use crate::fixtures;
use crate::registry::{INTEGRATIONS, path};

const DOCUMENT: &str = include_str!("kontext.txt");

/// Registers an integration and returns its id.
async fn create(postern: &Postern, body: Value) -> Result<String> {
    let created = postern.admin()?.post(INTEGRATIONS, &body).await?.expect(201)?;
    ensure!(crate::dialects::keys(&created) == ["integration"], "{created}");
    Ok(created["integration"]["id"].as_str().context("no id")?.to_owned())
}

/// The field's names and types in one of the document's tables; a type that ends with `?` may be missing.
fn fields(after: &str, before: &str) -> Result<BTreeMap<&'static str, &'static str>> {
    rows(DOCUMENT, after, before)?
        .into_iter()
        .map(|row| Ok((*row.first().context("no name")?, *row.get(1).context("no type")?)))
        .collect()
}

/// Checks that an object has every printed field with its printed type. Fields that are not printed may be there, too.
fn check(object: &Value, fields: &BTreeMap<&'static str, &'static str>) -> Result<()> {
    for (name, printed) in fields {
        let value = &object[*name];
        let expected = match printed.trim_end_matches('?') {
            "string[]" => "array",
            other => other,
        };
        let may_be_missing = printed.ends_with('?') && value.is_null();
        ensure!(kind(value) == expected || may_be_missing, "{name} is {printed}: {object}");
    }
    Ok(())
}

/// An integration of each `authMode`, with everything that can be written.
async fn registered(postern: &Postern, stub: &Stub) -> Result<BTreeMap<&'static str, String>> {
    let mut ids = BTreeMap::new();
    for (mode, more) in [
        ("none", json!({})),
        ("server_token", json!({"serverToken": "t"})),
        ("user_token", json!({"credentialSchema": {"type": "string"}, "capabilities": {"tools": true}})),
        (
            "oauth",
            json!({"oauth": {"provider": "github", "issuer": "https://github.com/login/oauth", "scopes": ["repo"]}}),
        ),
    ] {
        let body = json!({"name": mode, "url": stub.url("/modern"), "authMode": mode});
        ids.insert(mode, create(postern, crate::oauth::with(body, &more)).await?);
    }
    Ok(ids)
}

#[tokio::test]
async fn every_endpoint_of_the_kontext_document_answers_as_printed() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let ids = registered(&postern, &stub).await?;
    let api = postern.admin()?;
    let mut endpoints = rows(DOCUMENT, "Endpoints\n", "\nid path params")?;
    assert_eq!(endpoints.len(), 12);
    // The archive is the last operation on its integration.
    endpoints.sort_by_key(|row| row[0] == "DELETE" && row[1] == "/integrations/:id");
    for row in endpoints {
        let [method, printed, purpose] = row[..] else { anyhow::bail!("{row:?}") };
        let mode = match printed.rsplit('/').next() {
            Some("oauth") => "oauth",
            Some("connection") => "user_token",
            _ => "none",
        };
        let path = format!("/api/v1{}", printed.replace(":id", &ids[mode]));
        let (body, status, wrapper) = match (method, mode, printed.ends_with('s')) {
            ("POST", "none", true) => {
                (Some(json!({"name": "A", "url": stub.url("/modern")})), 201, "integration")
            }
            ("GET", "none", true) => (None, 200, "items"),
            ("PATCH", ..) => (Some(json!({"name": "B"})), 200, "integration"),
            ("GET" | "POST", "none", _) => (None, 200, "integration"),
            ("PUT", ..) => (
                Some(json!({"provider": "p", "issuer": "https://idp.example.com", "scopes": ["a"]})),
                200,
                "oauth",
            ),
            ("GET", "oauth", _) => (None, 200, "oauth"),
            ("POST", "user_token", _) => (Some(json!({"token": "t"})), 201, "connection"),
            ("GET", "user_token", _) => (None, 200, "connection"),
            ("DELETE", ..) => (None, 204, ""),
            other => anyhow::bail!("{other:?}"),
        };
        let request = api.request(method.parse()?, &path);
        let answer = Answer::of(match &body {
            Some(body) => request.json(body),
            None => request,
        })
        .await?;
        let got = answer.expect(status).with_context(|| format!("{purpose}: {method} {path}"))?;
        ensure!(wrapper.is_empty() || got.get(wrapper).is_some(), "{purpose}: {got}");
    }
    Ok(())
}

#[tokio::test]
async fn every_field_of_the_kontext_document_has_its_printed_type() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let ids = registered(&postern, &stub).await?;
    let api = postern.admin()?;
    api.post(&path(&ids["user_token"], "connection"), &json!({"token": "t"})).await?.expect(201)?;
    postern.settled(&ids["user_token"]).await?;

    let integration = fields("Response shape:{ \"integration\": { ... } }", "Update integration")?;
    assert_eq!(integration.len(), 15);
    for (mode, there) in [
        ("none", &["validationMessage", "lastValidatedAt"][..]),
        ("server_token", &[]),
        ("user_token", &["capabilities", "credentialSchema", "userConnection"]),
        ("oauth", &["oauth"]),
    ] {
        postern.settled(&ids[mode]).await?;
        let read = api.get(&path(&ids[mode], "")).await?.expect(200)?;
        let object = &read["integration"];
        check(object, &integration).context(mode)?;
        for name in there {
            ensure!(!object[*name].is_null(), "{name} of {object}");
        }
        assert_eq!(object["serverTokenConfigured"], mode == "server_token");
        let values = ["pending", "valid", "invalid"];
        ensure!(values.iter().any(|value| object["validationStatus"] == *value), "{object}");
    }
    let oauth = api.get(&path(&ids["oauth"], "oauth")).await?.expect(200)?;
    let printed = fields("Response shape:{ \"oauth\": { ... } }", "Replace OAuth config")?;
    assert_eq!(printed.len(), 3);
    check(&oauth["oauth"], &printed)?;
    let printed = fields("Response shape:{ \"connection\": { ... } }", "Revoke connection")?;
    assert_eq!(printed.len(), 4);
    for connected in [true, false] {
        let path = path(&ids["user_token"], "connection");
        let got = api.get(&path).await?.expect(200)?;
        check(&got["connection"], &printed)?;
        let status = if connected { "connected" } else { "disconnected" };
        assert_eq!(
            (&got["connection"]["connected"], &got["connection"]["status"]),
            (&json!(connected), &json!(status))
        );
        assert_eq!(api.delete(&path).await?.status, 204);
    }
    Ok(())
}

#[tokio::test]
async fn every_field_of_a_create_request_of_the_kontext_document_is_accepted() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let table = rows(DOCUMENT, "Request body\n", "\nCategories")?;
    let names: Vec<&str> = table.iter().map(|row| row[0]).collect();
    let all = json!({
        "name": "All", "url": stub.url("/modern"), "category": "gateway_remote_mcp", "authMode": "oauth",
        "oauth": {"scopes": []}, "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
        "credentialSchema": {"type": "object"}, "serverToken": null,
    });
    assert_eq!(
        names,
        ["name", "url", "category", "authMode", "oauth", "capabilities", "credentialSchema", "serverToken"]
    );
    create(&postern, all).await?;
    let admin = postern.admin()?;
    for row in &table {
        // The cells of the first row's head are: field, type, required, description.
        let body =
            crate::oauth::with(json!({"name": "Least", "url": stub.url("/modern")}), &json!({row[0]: null}));
        let answer = admin.post(INTEGRATIONS, &body).await?;
        if row[2] == "Yes" {
            ensure!(answer.status == 400, "{} is required: {}", row[0], answer.text);
        } else {
            let created = answer.expect(201).with_context(|| format!("null {}", row[0]))?;
            let id = created["integration"]["id"].as_str().context("no id")?;
            ensure!(created["integration"]["category"] == "gateway_remote_mcp", "{created}");
            ensure!(created["integration"]["authMode"] == "none", "{created}");
            postern
                .admin()?
                .patch(&path(id, ""), &json!({"name": format!("Least {}", row[0])}))
                .await?
                .expect(200)?;
        }
    }
    let body = json!({"name": "Conditional", "url": stub.url("/modern"), "authMode": "server_token"});
    let refused = admin.post(INTEGRATIONS, &body).await?;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let unsaid = json!({"name": "Unsaid", "url": stub.url("/modern"), "confirmUnarchive": null});
    create(&postern, unsaid).await?;
    let listed = admin.get(&format!("{INTEGRATIONS}?limit=2&name=least")).await?.expect(200)?;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed}");
    let cursor = listed["nextCursor"].as_str().context("no cursor")?;
    admin.get(&format!("{INTEGRATIONS}?limit=2&name=least&cursor={cursor}")).await?.expect(200)?;
    Ok(())
}
