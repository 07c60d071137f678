//! The Hoziron document. It prints no credential, so Postern runs as on a developer's machine, with a persona for callers
//! that present none.

use anyhow::{Context as _, Result, ensure};
use black_box::{Postern, Upstream};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

use super::{curls, rows, same};
use crate::fixtures;
use crate::registry::{self, Hoziron};

const DOCUMENT: &str = include_str!("hoziron.txt");

/// What differs from run to run, or is the upstream's own.
const DYNAMIC: [&str; 4] = ["pid", "uptime_secs", "name", "description"];

/// Postern with the three integrations of the document, as the printed list shows them.
async fn world() -> Result<(Postern, Stub)> {
    let settings =
        registry::settings()?.with("PUBLIC_URL", "http://localhost:4200").with("ANONYMOUS_PERSONA", "admin");
    let postern = fixtures::postern_with(settings).await?;
    let stub = Upstream::stub(Options { extra_tools: 8, ..Options::default() })?;
    let client = Hoziron { api: postern.stranger()? };
    for (id, tools) in [("postgresql-connector", 4), ("github-connector", 5), ("salesforce-connector", 8)] {
        let source = stub.url(&format!("/modern?tools={tools}"));
        client.install_probed(json!({"source": source, "id": id, "name": id}), tools).await?;
    }
    client.run("postgresql-connector", "start").await?;
    client.run("salesforce-connector", "start").await?;
    Ok((postern, stub))
}

#[tokio::test]
async fn every_curl_line_of_the_hoziron_document_works_as_printed() -> Result<()> {
    let (postern, _stub) = world().await?;
    let client = Hoziron { api: postern.stranger()? };
    let printed = curls(DOCUMENT)?;
    let lines: Vec<String> = printed.iter().map(|line| format!("{} {}", line.method, line.path)).collect();
    assert_eq!(
        lines,
        [
            "GET /integrations",
            "POST /integrations/install",
            "POST /integrations/postgresql-connector/start",
            "POST /integrations/postgresql-connector/stop",
            "GET /integrations/postgresql-connector/status",
            "GET /integrations/postgresql-connector/tools",
            "DELETE /integrations/github-connector",
        ]
    );
    for line in &printed {
        // The document shows each operation by itself; this makes what it finds.
        match (line.method.as_str(), line.path.as_str()) {
            ("POST", "/integrations/install") => {
                client.api.delete("/integrations/github-connector").await?.expect(200)?;
            }
            ("GET", "/integrations/postgresql-connector/status") => {
                client.run("postgresql-connector", "start").await?;
            }
            _ => {}
        }
        let answer = line.send(&client.api).await?;
        let (status, body) = match &line.answer {
            Some((status, body)) => (*status, body.clone()),
            // The document prints no answer to a removal.
            None => (200, json!({"id": "github-connector", "installed": false})),
        };
        let what = format!("{} {}", line.method, line.path);
        same(&body, &answer.expect(status).context(what.clone())?, &DYNAMIC).context(what)?;
    }
    Ok(())
}

#[tokio::test]
async fn every_endpoint_of_the_hoziron_document_exists() -> Result<()> {
    let (postern, stub) = world().await?;
    let api = postern.stranger()?;
    let endpoints = rows(DOCUMENT, "Endpoints\n", "\nGET /integrations\n")?;
    assert_eq!(endpoints.len(), 8);
    for row in endpoints {
        let [method, path, _] = row[..] else { anyhow::bail!("{row:?}") };
        let body =
            (path == "/integrations/install").then(|| json!({"source": stub.url("/modern"), "id": "other"}));
        let path = path.replace("{id}", "postgresql-connector");
        // What is running is removed only by force, or after it was stopped.
        if method == "DELETE" {
            api.call("POST", &format!("{path}/stop")).await?.expect(200)?;
        }
        let answer = match &body {
            Some(body) => api.post(&path, body).await?,
            None => api.call(method, &path).await?,
        };
        let expected = if body.is_some() { 201 } else { 200 };
        let got: Value = answer.expect(expected).with_context(|| format!("{method} {path}"))?;
        ensure!(got.is_object(), "{method} {path}: {got}");
        // The table has the removal before the operations on the same integration.
        if method == "DELETE" {
            let source = json!({"source": stub.url("/modern?tools=4"), "id": "postgresql-connector"});
            Hoziron { api: api.clone() }.install_probed(source, 4).await?;
        }
    }
    Ok(())
}
