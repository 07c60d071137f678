//! Users' connections and OAuth configurations: wrong modes, wrong forms, wrong values.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Findings, World, kontext, path, refused};

fn wrong_connections() -> Vec<Value> {
    let long = "x".repeat(16 * 1024 + 1);
    vec![
        json!({}),
        json!([]),
        json!(null),
        json!("key-canary"),
        json!({"token": null}),
        json!({"token": ""}),
        json!({"token": ["key-canary"]}),
        json!({"token": "key-canary\r\nX-Evil: 1"}),
        json!({"token": "key-canary\u{0}"}),
        json!({"token": format!("key-{long}")}),
        json!({"token": "key-canary", "credentials": {"token": "key-canary"}}),
        json!({"token": "key-canary", "displayName": "x"}),
        json!({"credentials": null}),
        json!({"credentials": {}}),
        json!({"credentials": []}),
        json!({"credentials": {"token": null}}),
        json!({"credentials": {"token": {"deep": "key-canary"}}}),
        json!({"credentials": {"": "key-canary"}}),
        json!({"credentials": {"a b": "key-canary"}}),
        json!({"credentials": {"k".repeat(65): "key-canary"}}),
        json!({"credentials": {"token": long}}),
        json!({"credentials": (0..17).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>()}),
        // Well formed, but against the integration's schema.
        json!({"token": "canary-without-its-prefix"}),
        json!({"credentials": {"token": "key-canary"}}),
    ]
}

#[tokio::test]
async fn a_wrong_connection_is_400_and_not_echoed() -> Result<()> {
    let mut findings = Findings::default();
    for body in wrong_connections() {
        let check = async {
            let answer = refused("connection", 400, async |world| {
                let connection = path(&world.keyed.id, "connection");
                world.postern.caller(&world.developer)?.post(&connection, &body).await
            })
            .await?;
            kontext(&answer)?;
            ensure!(!answer.text.contains("canary"), "a value is echoed: {}", answer.text);
            Ok(())
        };
        findings.note(&body.to_string(), check.await);
    }
    findings.none()
}

#[tokio::test]
async fn a_connection_or_configuration_of_the_wrong_mode_is_400() -> Result<()> {
    type Id = fn(&World) -> &str;
    let oauth = json!({"provider": "github", "clientId": "c", "clientSecret": "canary"});
    let table: [(&str, Id, &str, &Value); 4] = [
        ("POST", |world| &world.taken.id, "connection", &json!({"token": "canary"})),
        ("POST", |world| &world.consented.id, "connection", &json!({"token": "canary"})),
        ("PUT", |world| &world.taken.id, "oauth", &oauth),
        ("PUT", |world| &world.keyed.id, "oauth", &oauth),
    ];
    for (method, id, part, body) in table {
        let answer = refused(part, 400, async |world| {
            let (api, path) = (world.postern.admin()?, path(id(world), part));
            if method == "PUT" { api.put(&path, body).await } else { api.post(&path, body).await }
        })
        .await?;
        let message = kontext(&answer)?;
        assert!(message.contains("authMode"), "{method} {part}: {message}");
        assert!(!answer.text.contains("canary"), "{method} {part}: {}", answer.text);
    }
    for id in [(|world| &world.taken.id) as Id, |world| &world.keyed.id] {
        let get = async |world: &World| world.postern.admin()?.get(&path(id(world), "oauth")).await;
        kontext(&refused("get", 404, get).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_oauth_configuration_is_400_and_not_echoed() -> Result<()> {
    let mut findings = Findings::default();
    for body in [
        json!([]),
        json!(null),
        json!("canary"),
        json!({"scopes": "repo"}),
        json!({"scopes": [null]}),
        json!({"scopes": [""]}),
        json!({"scopes": ["two words"]}),
        json!({"scopes": ["a\"b"]}),
        json!({"scopes": (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>()}),
        json!({"provider": "a\u{0}"}),
        json!({"provider": "p".repeat(10_000)}),
        json!({"issuer": "login.example.com"}),
        json!({"issuer": "http://login.example.com"}),
        json!({"issuer": "https://user:canary@login.example.com"}),
        json!({"authorizationUrl": "javascript:alert('canary')"}),
        json!({"authorizationUrl": "https://127.0.0.1/authorize"}),
        json!({"tokenUrl": "https://169.254.169.254/canary"}),
        json!({"tokenUrl": "https://metadata.google.internal/canary"}),
        json!({"clientId": ""}),
        json!({"clientId": "a\nb"}),
        json!({"clientId": "c", "clientSecret": ""}),
        json!({"clientId": "c", "clientSecret": format!("canary{}", "x".repeat(16 * 1024))}),
        json!({"clientId": "c", "clientSecret": {"canary": 1}}),
        json!({"clientId": "c", "client_secret": "canary"}),
    ] {
        let check = async {
            let answer = refused("oauth", 400, async |world| {
                world.postern.admin()?.put(&path(&world.consented.id, "oauth"), &body).await
            })
            .await?;
            kontext(&answer)?;
            ensure!(!answer.text.contains("canary"), "a value is echoed: {}", answer.text);
            Ok(())
        };
        findings.note(&body.to_string(), check.await);
    }
    findings.none()
}
