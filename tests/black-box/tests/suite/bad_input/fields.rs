//! Fields of an integration: a create and a change with the same mistake are refused alike.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Findings, INTEGRATIONS, hoziron, kontext, path, refused, world};

/// Members that break a rule, in a create as well as in a change, and the text that the refusal must contain.
fn wrong_members() -> Vec<(Value, &'static str)> {
    let token = |text: String| json!({"authMode": "server_token", "serverToken": text});
    let oauth = |oauth: Value| json!({"authMode": "oauth", "oauth": oauth});
    let long = "x".repeat(16 * 1024 + 1);
    vec![
        (json!({"name": ""}), "name"),
        (json!({"name": " \t "}), "name"),
        (json!({"name": "n".repeat(201)}), "name"),
        (json!({"name": "ü".repeat(201)}), "name"),
        (json!({"name": "a\u{0}b"}), "name"),
        (json!({"name": "a\u{1b}[31mb"}), "name"),
        (json!({"name": "a\u{85}b"}), "name"),
        (json!({"name": ["a"]}), ""),
        (json!({"url": ""}), "url"),
        (json!({"url": "ftp://mcp.example.com/"}), "url"),
        (json!({"url": "https://192.168.0.1/"}), "url"),
        (json!({"url": "https://mcp.example.com/#f"}), "url"),
        (json!({"category": "gateway"}), "gateway_remote_mcp"),
        (json!({"category": "GATEWAY_REMOTE_MCP"}), "gateway_remote_mcp"),
        (json!({"authMode": "bearer"}), "user_token"),
        (json!({"authMode": ""}), "user_token"),
        (json!({"toolPolicy": "never"}), "review"),
        (json!({"toolPolicy": true}), ""),
        (json!({"serverToken": "t"}), "serverToken"),
        (json!({"authMode": "none", "serverToken": "t"}), "serverToken"),
        (json!({"authMode": "oauth", "serverToken": "t"}), "serverToken"),
        (json!({"authMode": "user_token", "serverToken": "t"}), "serverToken"),
        (json!({"authMode": "server_token"}), "serverToken"),
        (token(String::new()), "serverToken"),
        (token(long), "serverToken"),
        (token("a\r\nX-Evil: 1".to_owned()), "serverToken"),
        (token("a\u{0}".to_owned()), "serverToken"),
        (json!({"authMode": "server_token", "serverToken": 7}), ""),
        (json!({"oauth": {"provider": "github"}}), "oauth"),
        (json!({"authMode": "none", "oauth": {}}), "oauth"),
        (json!({"authMode": "user_token", "oauth": {"provider": "github"}}), "oauth"),
        (json!({"authMode": "server_token", "serverToken": "t", "oauth": {}}), "oauth"),
        (oauth(json!("github")), ""),
        (oauth(json!(["github", null, ["repo"], null, null, null, null])), ""),
        (oauth(json!({"scopes": "repo"})), ""),
        (oauth(json!({"scopes": [1]})), ""),
        (oauth(json!({"issuer": "http://login.example.com"})), "issuer"),
        (oauth(json!({"issuer": "https://169.254.169.254"})), "issuer"),
        (oauth(json!({"provider": "a\nb"})), "provider"),
        (oauth(json!({"scope": "repo"})), "scope"),
        (json!({"capabilities": 7}), "capabilities"),
        (json!({"capabilities": "tools"}), "capabilities"),
        (json!({"credentialSchema": []}), "credentialSchema"),
        (json!({"credentialSchema": {"type": "nonsense"}}), "credentialSchema"),
        (json!({"credentialSchema": {"pattern": "("}}), "credentialSchema"),
        (json!({"credentialSchema": {"$ref": "https://example.com/schema.json"}}), "credentialSchema"),
        (json!({"credentialSchema": {"$ref": "#/$defs/missing"}}), "credentialSchema"),
        (json!({"credentialSchema": nested(200)}), "credentialSchema"),
        (json!({"unknown": 1}), "unknown"),
        (json!({"state": "stopped"}), "state"),
        (json!({"validationStatus": "valid"}), "validationStatus"),
        (json!({"confirmUnarchive": "yes"}), ""),
    ]
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({"type": "string"}), |inner, _| json!({"properties": {"a": inner}}))
}

/// Header templates that are refused, without their values in the answer.
fn wrong_headers() -> Vec<Value> {
    let one = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    let mut wrong = vec![
        json!({}),
        json!("X-Api-Key: canary"),
        json!([["X-Api-Key", "canary {token}"]]),
        json!([]),
        json!([{"name": "X-Api-Key"}]),
        json!([{"value": "canary {token}"}]),
        json!([{"name": "X-Api-Key", "value": 7}]),
        json!([{"name": "X-Api-Key", "value": "canary {token}", "secret": true}]),
        json!([{"name": "X-A", "value": "canary {token}"}, {"name": "x-a", "value": "canary {token}"}]),
        one("", "canary {token}"),
        one("X Api Key", "canary {token}"),
        one("X-Api-Key:", "canary {token}"),
        one("X-Ünicode", "canary {token}"),
        one("X-A", ""),
        one("X-A", "canary {token"),
        one("X-A", "canary token}"),
        one("X-A", "canary {}"),
        one("X-A", "canary {{token}"),
        one("X-A", "canary {base64(token)}"),
        one("X-A", "canary {base64(a:b:c)}"),
        one("X-A", "canary {base64(a:b}"),
        one("X-A", "canary {upper(token)}"),
        one("X-A", "canary\r\nX-Evil: {token}"),
        one("X-A", "canary\u{0}{token}"),
        one("X-A", &format!("canary{}", "x".repeat(10_000))),
    ];
    let forbidden = [
        "Host",
        "host",
        "Content-Length",
        "Content-Type",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "TE",
        "Accept",
        "Mcp-Session-Id",
        "mcp-protocol-version",
        "Mcp-Method",
        "MCP-Name",
        "Mcp-Param-Region",
        "Proxy-Authorization",
        "Cf-Connecting-Ip",
        "X-Forwarded-For",
    ];
    wrong.extend(forbidden.map(|name| one(name, "canary {token}")));
    wrong
}

/// Sends members in a create and in a change of an integration of the same mode. Both must be refused; returns both
/// messages.
async fn refused_twice(members: &Value) -> Result<[String; 2]> {
    let what: String = members.to_string().chars().take(80).collect();
    let mut body = json!({"name": "Wrong", "url": "https://wrong.invalid/mcp"});
    for (name, value) in members.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let created =
        refused(&what, 400, async |world| world.postern.admin()?.post(INTEGRATIONS, &body).await).await?;
    let changed = refused(&what, 400, async |world| {
        let changed = if members["authMode"] == "user_token" { &world.keyed } else { &world.taken };
        world.postern.admin()?.patch(&path(&changed.id, ""), members).await
    })
    .await?;
    for answer in [&created, &changed] {
        ensure!(!answer.text.contains("canary"), "a value is echoed: {}", answer.text);
        ensure!(answer.json()?["code"] == "validation_error", "{}", answer.text);
    }
    Ok([kontext(&created)?, kontext(&changed)?])
}

#[tokio::test]
async fn a_wrong_field_is_400_and_named_in_a_creation_and_in_a_change() -> Result<()> {
    let mut findings = Findings::default();
    for (members, named) in wrong_members() {
        let check = async {
            for message in refused_twice(&members).await? {
                ensure!(message.contains(named), "{named} is not named: {message}");
                ensure!(message.len() < 1000, "{message}");
            }
            Ok(())
        };
        findings.note(&members.to_string(), check.await);
    }
    findings.none()
}

#[tokio::test]
async fn a_wrong_header_template_is_400_and_not_echoed() -> Result<()> {
    let mut findings = Findings::default();
    let many: Vec<_> = (0..100).map(|n| json!({"name": format!("X-{n}"), "value": "{token}"})).collect();
    for headers in wrong_headers().into_iter().chain([json!(many)]) {
        let members = json!({"authMode": "user_token", "credentialHeaders": headers});
        let check = async {
            let messages = refused_twice(&members).await?;
            ensure!(messages.iter().all(|message| !message.contains("authMode")), "{messages:?}");
            Ok(())
        };
        findings.note(&headers.to_string(), check.await);
    }
    findings.none()
}

/// A required member cannot be `null` in a change either. `null` clears an optional one, which the acceptance tests
/// show.
#[tokio::test]
async fn null_is_400_where_a_value_is_needed() -> Result<()> {
    for name in ["name", "url", "category", "authMode", "serverToken", "toolPolicy", "confirmUnarchive"] {
        let answer = refused(name, 400, async |world| {
            let body = json!({name: null});
            world.postern.admin()?.patch(&path(&world.keyed.id, ""), &body).await
        })
        .await?;
        let message = kontext(&answer)?;
        assert!(message.contains(name), "{name}: {message}");
    }
    Ok(())
}

/// A body that is no object is refused, even where an object may be empty, and even if an array's items could be read as
/// the members.
#[tokio::test]
async fn a_body_that_is_no_object_is_400_everywhere() -> Result<()> {
    let mut findings = Findings::default();
    let positional = r#"["Positional",null,"https://positional.invalid/mcp",null,null,null,null,null,null,null,null,false]"#;
    let nulls = format!("[{}]", ["null"; 14].join(","));
    for body in
        ["", "[]", "null", "\"name\"", "7", "{", "{\"name\":\"a\",\"name\":\"b\"}", positional, &nulls]
    {
        let world = world().await?;
        for (method, path) in [
            ("POST", INTEGRATIONS.to_owned()),
            ("PATCH", path(&world.keyed.id, "")),
            ("PUT", path(&world.consented.id, "oauth")),
            ("POST", path(&world.keyed.id, "connection")),
            ("POST", "/integrations/install".to_owned()),
        ] {
            let check = async {
                let answer = refused(body, 400, async |world| {
                    let request = world.postern.admin()?.request(method.parse()?, &path);
                    let request = request.header("content-type", "application/json");
                    black_box::api::Answer::of(request.body(body.to_owned())).await
                });
                let answer = answer.await?;
                let text = if path.starts_with("/api") {
                    kontext(&answer)
                } else {
                    hoziron(&answer, "ValidationError")
                };
                text.map(drop)
            };
            findings.note(&format!("{method} {path} {body}"), check.await.context("not refused"));
        }
    }
    findings.none()
}

/// A change must not take another integration's name, and of several concurrent changes to one name only one
/// succeeds.
#[tokio::test]
async fn a_change_to_a_name_that_is_taken_is_409() -> Result<()> {
    for name in ["Keyed", "  Keyed "] {
        let body = json!({"name": name, "category": "gateway_remote_mcp"});
        let answer = refused(name, 409, async |world| {
            world.postern.admin()?.patch(&path(&world.taken.id, ""), &body).await
        })
        .await?;
        kontext(&answer)?;
        assert_eq!(answer.json()?["code"], "duplicate");
    }
    let unchanged = world().await?.postern.integration(&world().await?.taken.id).await?;
    assert_eq!(unchanged.object["category"], "internal_mcp_credentials");

    let postern = crate::fixtures::postern().await?;
    let admin = postern.admin()?;
    let mut ids = Vec::new();
    for n in 0..6 {
        let body = json!({"name": format!("Racer {n}"), "url": "https://race.invalid/mcp", "category": "internal_mcp_credentials"});
        ids.push(postern.create(body).await?.id);
    }
    let wanted = json!({"name": "Winner"});
    let race = ids.iter().map(|id| {
        let (admin, path, wanted) = (&admin, path(id, ""), &wanted);
        async move { admin.patch(&path, wanted).await }
    });
    let answers = futures_util::future::join_all(race).await;
    let mut statuses = answers.into_iter().map(|answer| Ok(answer?.status)).collect::<Result<Vec<_>>>()?;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409]);
    Ok(())
}
