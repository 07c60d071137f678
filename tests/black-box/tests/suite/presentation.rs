//! What Postern presents to an upstream: the operator's header templates filled in exactly, the organization's
//! credential for every caller, a user's own credential for that user alone.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use black_box::{Integration, Postern, api::Api, mcp};
use serde_json::{Value, json};
use stub_upstream::{Recorded, Stub};

use crate::{
    agent_by_hand::{Agent, Legacy, Modern},
    fixtures,
    registry::{self, Hoziron, path},
};

/// Headers that an upstream may take for a credential.
const CREDENTIALS: [&str; 5] = ["authorization", "x-api-key", "x-key", "dd-api-key", "dd-application-key"];

/// The credentials on a request, by header.
fn presented(request: &Recorded) -> Vec<(&'static str, String)> {
    let headers = CREDENTIALS.iter();
    headers.filter_map(|name| Some((*name, request.header(name)?.to_owned()))).collect()
}

/// Checks that every request that the stub got carries exactly these credentials, and that a list and a call are
/// among the requests.
fn ensure_presented(stub: &Stub, expected: &[(&'static str, &str)]) -> Result<()> {
    let mut methods: Vec<String> = Vec::new();
    for request in stub.requests() {
        let found = presented(&request);
        let same = found.iter().map(|(name, value)| (*name, value.as_str())).eq(expected.iter().copied());
        ensure!(same, "{:?} {}: {found:?}", request.rpc_method(), request.path);
        methods.extend(request.rpc_method());
    }
    for method in ["tools/list", "tools/call"] {
        ensure!(methods.iter().any(|found| found == method), "no {method} among {methods:?}");
    }
    Ok(())
}

/// Header templates, the values for their placeholders, and the headers that the upstream must get.
type Case<'c> = (Value, Value, Vec<(&'static str, &'c str)>);

#[tokio::test]
async fn header_templates_reach_the_upstream_to_the_letter() -> Result<()> {
    let postern = fixtures::postern().await?;
    let basic = format!("Basic {}", STANDARD.encode("ada@example.com:t0k3n"));
    let cases: [Case<'_>; 8] = [
        (json!(null), json!({"token": "t0k3n"}), vec![("authorization", "Bearer t0k3n")]),
        (
            json!([{"name": "X-Api-Key", "value": "{token}"}]),
            json!({"token": "t0k3n"}),
            vec![("x-api-key", "t0k3n")],
        ),
        (
            json!([{"name": "Authorization", "value": "Sentry-Bearer {token}"}]),
            json!({"token": "t0k3n"}),
            vec![("authorization", "Sentry-Bearer t0k3n")],
        ),
        (
            json!([{"name": "authorization", "value": "Token token={token}"}]),
            json!({"token": "t0k3n"}),
            vec![("authorization", "Token token=t0k3n")],
        ),
        (
            json!([{"name": "Authorization", "value": "Basic {base64(email:token)}"}]),
            json!({"email": "ada@example.com", "token": "t0k3n"}),
            vec![("authorization", &basic)],
        ),
        (
            json!([{"name": "DD-API-KEY", "value": "{API}"}, {"name": "DD-APPLICATION-KEY", "value": "{APP}"}]),
            json!({"API": "one", "APP": "two"}),
            vec![("dd-api-key", "one"), ("dd-application-key", "two")],
        ),
        // A value that looks like a placeholder is not filled in again.
        (
            json!([{"name": "X-Key", "value": "a{A}{B}z"}]),
            json!({"A": "{B}", "B": "{base64(A:B)}"}),
            vec![("x-key", "a{B}{base64(A:B)}z")],
        ),
        (
            json!([{"name": "X-Key", "value": "id={ID}; sig={base64(ID:SECRET)}"}]),
            json!({"ID": "x", "SECRET": "~:?>"}),
            vec![("x-key", "id=x; sig=eDp+Oj8+")],
        ),
    ];
    for (n, (headers, credentials, expected)) in cases.iter().enumerate() {
        for endpoint in ["/legacy", "/modern"] {
            let stub = fixtures::stub()?;
            let id = format!("case-{n}{}", endpoint.replace('/', "-"));
            install(&postern, &id, &stub.url(endpoint), headers, credentials)
                .await
                .with_context(|| id.clone())?;
            registry::echo(&postern.admin()?, &id, "hello").await.with_context(|| id.clone())?;
            ensure_presented(&stub, expected).with_context(|| id.clone())?;
        }
    }
    Ok(())
}

/// Installs and starts an integration with these headers and credentials, and waits until it can be called.
async fn install(postern: &Postern, id: &str, url: &str, headers: &Value, credentials: &Value) -> Result<()> {
    let client = Hoziron::of(postern)?;
    let mut source = json!({"url": url, "name": id});
    if !headers.is_null() {
        source["headers"] = headers.clone();
    }
    let keys = credentials.as_object().into_iter().flatten().map(|(key, _)| json!({"key": key}));
    source["credentials"] = keys.collect();
    client.install(json!({"source": source, "id": id, "credentials": credentials})).await?;
    client.run(id, "start").await?;
    offered(postern, id).await
}

async fn offered(postern: &Postern, slug: &str) -> Result<()> {
    let admin = postern.admin()?;
    fixtures::seen(postern, &format!("{slug} is offered"), async || {
        let tools = fixtures::modern_tools(&admin, "/mcp").await?;
        Ok(tools.contains(&format!("{slug}__echo")).then_some(()))
    })
    .await
}

/// The same templates in the Kontext dialect, with the organization's token; a change of token or template applies
/// at once.
#[tokio::test]
async fn a_change_of_token_or_template_is_presented_at_once() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let (admin, url) = (postern.admin()?, stub.url("/modern"));
    let headers = json!([{"name": "X-Api-Key", "value": "{token}"}]);
    let body = json!({"name": "Changing", "url": url, "authMode": "server_token", "serverToken": "first", "credentialHeaders": headers});
    let created = postern.register_with(body).await?;
    registry::echo(&admin, &created.slug, "first").await?;
    ensure_presented(&stub, &[("x-api-key", "first")])?;
    for (body, expected) in [
        (json!({"serverToken": "second"}), ("x-api-key", "second")),
        (json!({"credentialHeaders": [{"name": "X-Key", "value": "Key {token}"}]}), ("x-key", "Key second")),
        (json!({"credentialHeaders": null}), ("authorization", "Bearer second")),
    ] {
        admin.patch(&path(&created.id, ""), &body).await?.expect(200)?;
        fixtures::seen(&postern, "the change is presented", async || {
            stub.forget_requests();
            registry::echo(&admin, &created.slug, "changed").await?;
            let call = fixtures::calls(&stub).pop().context("no call")?;
            let found = presented(&call);
            Ok((found == [(expected.0, expected.1.to_owned())]).then_some(()))
        })
        .await
        .with_context(|| body.to_string())?;
    }
    Ok(())
}

/// A Postern with an integration to which each user brings a token, three users, and the stub behind it.
struct Users {
    postern: Postern,
    stub: Stub,
    integration: Integration,
    callers: Vec<Api>,
}

async fn users(endpoint: &str) -> Result<Users> {
    let (postern, stub) = (fixtures::postern_with(registry::settings()?).await?, fixtures::stub()?);
    let body = json!({"name": "Personal", "url": stub.url(endpoint), "authMode": "user_token"});
    let integration = postern.register_with(body).await?;
    let mut callers = Vec::new();
    for name in ["ada", "bob", "eve"] {
        callers.push(postern.caller(&postern.insert_key(name, &["developer"], None).await?)?);
    }
    Ok(Users { postern, stub, integration, callers })
}

/// How many calls users have made.
static CALLS: AtomicU64 = AtomicU64::new(0);

impl Users {
    async fn connect(&self, user: usize, token: &str) -> Result<()> {
        let connection = path(&self.integration.id, "connection");
        self.callers[user].post(&connection, &json!({"token": token})).await?.expect(201).map(drop)
    }

    /// Calls as a user, over both kinds of endpoint and in both eras. A connected user's call must carry that
    /// user's token alone; another user's call must fail and say how to connect.
    async fn call(&self, user: usize, token: Option<&str>) -> Result<()> {
        let own = self.integration.path();
        for (n, (era, path, tool)) in [
            (Modern, own.as_str(), "echo"),
            (Legacy, own.as_str(), "echo"),
            (Legacy, "/mcp", "personal__echo"),
        ]
        .into_iter()
        .enumerate()
        {
            let agent = Agent::open(era, self.callers[user].clone(), path).await?;
            // A unique message, so that this call can be found among the stub's requests.
            let message = format!("call {n} of user {user}, no. {}.", CALLS.fetch_add(1, Ordering::Relaxed));
            let result =
                agent.call(json!(1), tool, json!({"message": message})).await?.result(&json!(1))?.clone();
            let call = fixtures::calls(&self.stub)
                .into_iter()
                .find(|call| String::from_utf8_lossy(&call.body).contains(&message));
            match (token, call) {
                (Some(token), Some(call)) => {
                    ensure!(mcp::text(&result) == format!("Echo: {message}"), "{result}");
                    let found = presented(&call);
                    ensure!(
                        found == [("authorization", format!("Bearer {token}"))],
                        "user {user}: {found:?}"
                    );
                }
                (None, None) => {
                    ensure!(result["isError"] == true, "{result}");
                    let text = mcp::text(&result);
                    let route = crate::registry::path(&self.integration.id, "connection");
                    ensure!(
                        text.contains("connect") && text.contains(&route),
                        "the failure does not say how to connect: {text}"
                    );
                }
                (token, call) => anyhow::bail!("user {user} with {token:?}: {result}; {call:?}"),
            }
        }
        Ok(())
    }

    /// The same calls, repeated until every instance has the change.
    async fn soon(&self, user: usize, token: Option<&str>) -> Result<()> {
        let last = std::cell::RefCell::new(None);
        let what = format!("user {user} calls with {token:?}");
        let called = fixtures::seen(&self.postern, &what, async || {
            Ok(match self.call(user, token).await {
                Ok(()) => Some(()),
                Err(error) => {
                    last.replace(Some(error));
                    None
                }
            })
        })
        .await;
        called.map_err(|error| last.take().unwrap_or(error))
    }
}

#[tokio::test]
async fn each_users_own_token_is_presented_and_never_anothers() -> Result<()> {
    for endpoint in ["/modern", "/legacy"] {
        let world = users(endpoint).await?;
        for user in 0..3 {
            world.call(user, None).await.context("nobody is connected")?;
        }
        world.connect(0, "token-of-ada").await?;
        world.soon(0, Some("token-of-ada")).await?;
        world.call(1, None).await.context("Bob is not connected")?;
        world.connect(1, "token-of-bob").await?;
        world.soon(1, Some("token-of-bob")).await?;
        // The calls of all users at once, three times, with what the instances remember by now.
        for _ in 0..3 {
            let (ada, bob, eve) = tokio::join!(
                world.call(0, Some("token-of-ada")),
                world.call(1, Some("token-of-bob")),
                world.call(2, None)
            );
            ada.and(bob).and(eve)?;
        }
        // One user replaces a token and another user revokes one, neither of which touches the other's.
        world.connect(0, "another-of-ada").await?;
        world.soon(0, Some("another-of-ada")).await?;
        let revoked = world.callers[1].delete(&path(&world.integration.id, "connection")).await?;
        ensure!(revoked.status == 204, "{}", revoked.text);
        world.soon(1, None).await?;
        world.call(0, Some("another-of-ada")).await?;

        // No session with the upstream was ever used with two credentials.
        let mut owners = std::collections::BTreeMap::new();
        for request in world.stub.requests() {
            if let Some(session) = request.header("mcp-session-id") {
                let bearer = request.header("authorization").unwrap_or_default().to_owned();
                let owner = owners.entry(session.to_owned()).or_insert_with(|| bearer.clone());
                ensure!(*owner == bearer, "session {session} of {owner} was used with {bearer}");
            }
        }
        ensure!((endpoint == "/legacy") != owners.is_empty(), "{owners:?}");
    }
    Ok(())
}

/// An upstream that lists its tools only with a credential: the first user who connects makes the tools known, and
/// a later probe without a credential keeps them.
#[tokio::test]
async fn the_tools_of_a_guarded_upstream_are_known_once_a_user_has_connected() -> Result<()> {
    let world = users("/guarded/plain/modern").await?;
    let message = world.integration.object["validationMessage"].as_str().context("no message")?;
    ensure!(message.starts_with("reachable, authorization required"), "{message}");
    let listed = async || fixtures::modern_tools(&world.callers[2], &world.integration.path()).await;
    ensure!(listed().await?.is_empty(), "tools are known before a user has connected");
    world.connect(0, "token-of-ada").await?;
    black_box::eventually("the tools are known", async || Ok((listed().await?.len() == 7).then_some(())))
        .await?;
    world.soon(0, Some("token-of-ada")).await?;
    world.call(2, None).await?;

    let sql = "UPDATE integrations SET next_validation_at = 0, validation_lease_until = 0 RETURNING id";
    world.postern.sql(sql, json!([])).await?;
    world.postern.tick().await?;
    let object = world.postern.integration(&world.integration.id).await?.object;
    ensure!(object["validationStatus"] == "valid", "{object}");
    ensure!(listed().await?.len() == 7, "a probe without a credential removed the tools");
    world.call(0, Some("token-of-ada")).await
}

/// The call of a user who has not consented fails, says that the user has to connect, and never reaches the upstream.
#[tokio::test]
async fn a_call_that_needs_consent_says_so() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let body = json!({"name": "Consent", "url": stub.url("/modern"), "authMode": "oauth"});
    let integration = postern.register_with(body).await?;
    stub.forget_requests();
    let result =
        registry::call(&postern.admin()?, &integration.slug, "echo", json!({"message": "x"})).await?;
    ensure!(result["isError"] == true && mcp::text(&result).contains("connect"), "{result}");
    ensure!(fixtures::calls(&stub).is_empty(), "the upstream was called without a credential");
    Ok(())
}
