//! Secrets: a value that is presented upstream is nowhere else. Canaries stand in every field that takes a secret,
//! through every route, in success and in failure; then every place that Postern writes to is searched for them.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use base64::{
    Engine as _, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD,
};
use black_box::{
    Integration, Postern, Upstream,
    api::{Answer, Api},
};
use serde_json::{Value, json};
use stub_upstream::Options;

use crate::{
    agent_by_hand::{Agent, Legacy, Modern},
    fixtures,
    registry::{self, INTEGRATIONS, path},
};

/// The upstream's token is presented upstream and is nowhere else: in no table, no cache entry, no answer, no log.
/// The same holds for Postern's own secrets and its callers' keys.
#[tokio::test]
async fn a_server_token_reaches_its_upstream_and_nothing_else() -> Result<()> {
    const TOKEN: &str = "canary-server-token-5f1c";
    let postern = fixtures::postern().await?;
    let stub = Upstream::stub(Options { require_bearer: Some(TOKEN.into()), ..Options::default() })?;
    let mut secrets = postern.settings().secrets();
    secrets.push(TOKEN.to_owned());
    secrets.push(postern.insert_key("some caller", &["admin"], None).await?);
    let caller = postern.caller(&secrets[secrets.len() - 1])?;

    let mut answers = Vec::new();
    for (n, endpoint) in ["/legacy", "/modern"].into_iter().enumerate() {
        let body = json!({"name": format!("Guarded {n}"), "url": stub.url(endpoint), "authMode": "server_token", "serverToken": TOKEN});
        let integration = postern.register_with(body.clone()).await?;
        assert_eq!(integration.object["serverTokenConfigured"], true);
        assert_eq!(integration.object.get("serverToken"), None);
        for era in [Legacy, Modern] {
            let agent = Agent::open(era, caller.clone(), &integration.path()).await?;
            let reply = agent.call(json!(1), "echo", json!({"message": "x"})).await?;
            reply.result(&json!(1))?;
            answers.push(format!("{:?}", reply.http));
        }
        let one = format!("/api/v1/integrations/{}", integration.id);
        answers.push(format!("{:?}", postern.admin()?.post("/api/v1/integrations", &body).await?));
        answers.push(format!("{:?}", postern.admin()?.get(&one).await?));
        answers.push(format!("{:?}", postern.admin()?.get("/api/v1/integrations").await?));
        answers.push(format!("{:?}", postern.admin()?.call("POST", &format!("{one}/validate")).await?));
    }
    for request in stub.requests() {
        let bearer = request.header("authorization").unwrap_or_default();
        assert_eq!(bearer, format!("Bearer {TOKEN}"), "{}", request.path);
    }

    // Secrets slip out most easily where something fails.
    let wrong = "canary-wrong-token-77";
    let body = json!({"name": "Refused", "url": stub.url("/modern"), "authMode": "server_token", "serverToken": wrong});
    secrets.push(wrong.to_owned());
    let refused = postern.create(body).await?;
    let refused = postern.validate(&refused.id).await?;
    assert_eq!(refused.object["validationStatus"], "invalid");
    answers.push(refused.object.to_string());
    drop(stub);
    let agent = Agent::open(Modern, caller, "/integrations/guarded-0/mcp").await?;
    answers.push(agent.call(json!(1), "echo", json!({"message": "x"})).await?.http.text);
    postern.audit("connection LIKE 'guarded-%'", json!([]), 5).await?;
    postern.tick().await?;

    ensure_unseen(&postern, &secrets, &answers).await
}

/// The canaries that were sent, and the answers that were received.
struct Watch {
    admin: Api,
    user: Api,
    secrets: Vec<String>,
    answers: Vec<String>,
}

impl Watch {
    /// A new canary.
    fn canary(&mut self, what: &str) -> String {
        let canary = format!("canary-{what}-{}x", 7919 * (self.secrets.len() + 1));
        self.secrets.push(canary.clone());
        canary
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        self.answers.push(format!("{:?} {}", answer.headers, answer.text));
        answer
    }

    async fn post(&mut self, path: &str, body: Value) -> Result<Answer> {
        let answer = self.admin.post(path, &body).await?;
        Ok(self.keep(answer))
    }

    /// Requests every route that shows an integration, in both dialects.
    async fn look(&mut self, id: &str, slug: &str) -> Result<()> {
        for path in [
            path(id, ""),
            path(id, "oauth"),
            path(id, "connection"),
            path(id, "tools"),
            INTEGRATIONS.to_owned(),
            "/integrations".to_owned(),
            format!("/integrations/{slug}/status"),
            format!("/integrations/{slug}/tools"),
            "/integrations/catalog".to_owned(),
        ] {
            let answer = self.admin.get(&path).await?;
            self.keep(answer);
        }
        for path in [path(id, "validate"), format!("/integrations/{slug}/restart")] {
            let answer = self.admin.call("POST", &path).await?;
            self.keep(answer);
        }
        for api in [self.admin.clone(), self.user.clone()] {
            let agent = Agent::open(Modern, api, &format!("/integrations/{slug}/mcp")).await?;
            let listed = agent.send(json!(1), "tools/list", json!({})).await?.http;
            self.keep(listed);
            let called = agent.call(json!(2), "echo", json!({"message": "hello"})).await?.http;
            self.keep(called);
        }
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_of_the_registry_is_seen_anywhere() -> Result<()> {
    let (postern, stub) = (fixtures::postern_with(registry::settings()?).await?, fixtures::stub()?);
    let key = postern.insert_key("user", &["developer"], None).await?;
    let secrets = [postern.settings().secrets(), vec![key.clone()]].concat();
    let mut watch =
        Watch { admin: postern.admin()?, user: postern.caller(&key)?, secrets, answers: Vec::new() };
    let url = stub.url("/dual");

    let server = kontext_server_token(&mut watch, &url).await?;
    let users = users_tokens(&mut watch, &url).await?;
    let oauth = oauth_client(&mut watch, &url).await?;
    let installed = hoziron_credentials(&mut watch, &url).await?;
    for integration in [&server, &users, &oauth] {
        watch.look(&integration.id, &integration.slug).await?;
    }
    let sql = "SELECT id FROM integrations WHERE slug = ?1";
    let rows = postern.sql(sql, json!([installed])).await?;
    let id = rows[0]["id"].as_str().context("no id")?.to_owned();
    watch.look(&id, &installed).await?;

    // Failures: a wrong schema, an upstream that refuses, an upstream that cannot be reached, a scheduled tick.
    stub.break_with(Some(401.try_into()?));
    watch.look(&users.id, &users.slug).await?;
    stub.break_with(Some(500.try_into()?));
    watch.look(&server.id, &server.slug).await?;
    drop(stub);
    watch.look(&id, &installed).await?;
    postern.sql("UPDATE integrations SET next_validation_at = 0 RETURNING id", json!([])).await?;
    postern.tick().await?;
    let audited = "connection IS NOT NULL";
    black_box::eventually("the calls are audited", async || {
        let rows = postern.sql(&format!("SELECT id FROM audit_events WHERE {audited}"), json!([])).await?;
        Ok((rows.len() >= 8).then_some(()))
    })
    .await?;
    let bearers = watch.answers.iter().filter(|answer| answer.contains("Echo: hello")).count();
    ensure!(bearers >= 4, "only {bearers} calls got through: the canaries were not in use");
    ensure_unseen(&postern, &watch.secrets, &watch.answers).await
}

async fn kontext_server_token(watch: &mut Watch, url: &str) -> Result<Integration> {
    let (token, literal) = (watch.canary("server-token"), watch.canary("template"));
    let headers = json!([{"name": "X-Api-Key", "value": "{token}"}, {"name": "X-Tenant", "value": literal}]);
    let body = json!({"name": "Server", "url": url, "authMode": "server_token", "serverToken": token, "credentialHeaders": headers});
    let answer = watch.post(INTEGRATIONS, body.clone()).await?;
    let created = Integration::of(&answer.expect(201)?)?;
    watch.post(INTEGRATIONS, body).await?;
    let next = watch.canary("rotated");
    let answer = watch.admin.patch(&path(&created.id, ""), &json!({"serverToken": next})).await?;
    watch.keep(answer).expect(200)?;
    Ok(created)
}

async fn users_tokens(watch: &mut Watch, url: &str) -> Result<Integration> {
    let schema =
        json!({"type": "object", "required": ["email", "token"], "properties": {"token": {"maxLength": 60}}});
    let body = json!({
        "name": "Users", "url": url, "authMode": "user_token", "credentialSchema": schema,
        "credentialHeaders": [{"name": "Authorization", "value": "Basic {base64(email:token)}"}],
    });
    let created = Integration::of(&watch.post(INTEGRATIONS, body).await?.expect(201)?)?;
    let connection = path(&created.id, "connection");
    for (api, status) in [(watch.user.clone(), 201), (watch.admin.clone(), 201), (watch.user.clone(), 400)] {
        let mut token = watch.canary("user");
        if status == 400 {
            token.push_str(&"y".repeat(60));
        }
        let body = json!({"credentials": {"email": format!("{}@example.com", watch.canary("email")), "token": token}});
        let answer = api.post(&connection, &body).await?;
        watch.keep(answer).expect(status)?;
    }
    Ok(created)
}

async fn oauth_client(watch: &mut Watch, url: &str) -> Result<Integration> {
    let secret = watch.canary("client-secret");
    let body = json!({"name": "Consent", "url": url, "authMode": "oauth", "oauth": {"clientId": "c", "clientSecret": secret}});
    let created = Integration::of(&watch.post(INTEGRATIONS, body).await?.expect(201)?)?;
    for body in [
        json!({"clientId": "c", "clientSecret": watch.canary("replaced-secret")}),
        json!({"clientId": "c", "clientSecret": watch.canary("refused-secret"), "issuer": "http://no.example.com"}),
    ] {
        let answer = watch.admin.put(&path(&created.id, "oauth"), &body).await?;
        watch.keep(answer);
    }
    Ok(created)
}

async fn hoziron_credentials(watch: &mut Watch, url: &str) -> Result<String> {
    let source = json!({
        "url": url, "name": "Installed",
        "headers": [{"name": "X-Key", "value": format!("{} {{KEY}} {{OTHER}}", watch.canary("inline-template"))}],
        "credentials": [{"key": "KEY"}, {"key": "OTHER"}],
    });
    let body = json!({"source": source, "id": "installed", "credentials": {"KEY": watch.canary("install")}});
    watch.post("/integrations/install", body.clone()).await?.expect(201)?;
    watch.post("/integrations/install", body).await?.expect(409)?;
    let start = "/integrations/installed/start";
    watch.post(start, json!({})).await?.expect(409)?;
    let unknown = json!({"credentials": {"UNKNOWN": watch.canary("unknown")}});
    watch.post(start, unknown).await?.expect(400)?;
    let body = json!({"credentials": {"OTHER": watch.canary("start")}});
    watch.post(start, body).await?.expect(200)?;
    Ok("installed".to_owned())
}

/// Checks that none of `secrets` is in the database, the key-value store, the log or `answers`, in any of the forms
/// that a value takes on its way through a URL, a header or an encoding.
pub(crate) async fn ensure_unseen<S: AsRef<str>>(
    postern: &Postern,
    secrets: &[S],
    answers: &[String],
) -> Result<()> {
    let audit = Value::Array(postern.sql("SELECT * FROM audit_events", json!([])).await?);
    let places = [
        ("the database", postern.contents().await?.to_string()),
        ("the audit", audit.to_string()),
        ("the key-value store", postern.kv().await?.to_string()),
        ("the log", postern.console()),
        ("an answer", answers.join("\n")),
    ];
    for (place, text) in &places {
        for secret in secrets {
            let secret = secret.as_ref();
            for form in forms(secret) {
                if let Some(at) = text.find(&form) {
                    let around: String =
                        text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                    anyhow::bail!("{secret} is in {place}, as {form}, after {around}");
                }
            }
        }
    }
    ensure!(places[0].1.contains("api_keys"), "the database was not read");
    Ok(())
}

fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let mut forms = vec![secret.to_owned(), secret.replace('-', "%2D"), hex];
    // Base64 of a text that contains the secret: the text around the secret changes up to two characters at each end.
    for offset in 0..3 {
        let shifted = [&vec![b'.'; offset][..], secret.as_bytes()].concat();
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            forms.push(encoded[4..encoded.len() - 2].to_owned());
        }
    }
    forms
}
