//! Bad input: every mistake is refused with its status and a text that names the mistake, in the dialect of the
//! route, and nothing is written.

mod bodies;
mod callers;
mod connections;
mod fields;
mod hoziron;
mod names;
mod pages;
mod routes;
mod urls;

use anyhow::{Result, ensure};
use black_box::{Integration, Postern, Settings, api::Answer};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(super) use crate::dialects::{hoziron, json_rpc, kontext, problem};
use crate::fixtures;
pub(super) use crate::registry::{INTEGRATIONS, path};

pub(super) struct World {
    pub(super) postern: Postern,
    /// An integration without credentials.
    pub(super) taken: Integration,
    /// An integration to which each user brings a token that begins with `key-`.
    pub(super) keyed: Integration,
    /// An integration to which each user consents.
    pub(super) consented: Integration,
    pub(super) expired: String,
    pub(super) developer: String,
}

/// A Postern that only gets requests to refuse from here on: no test of this subject writes to its database.
pub(super) async fn world() -> Result<&'static World> {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_try_init(async || {
            let personas = json!([{"name": "developer", "roles": ["developer"], "allow_tools": ["*"], "allow_connections": ["*"]}]);
            let settings = Settings::new()?.without("ALLOW_LOOPBACK_UPSTREAMS").with("PERSONAS", personas.to_string());
            let postern = fixtures::postern_with(settings).await?;
            let body = json!({"name": "Taken", "url": "https://taken.invalid/mcp", "category": "internal_mcp_credentials"});
            let taken = postern.create(body).await?;
            let schema = json!({"type": "string", "pattern": "^key-"});
            let body = json!({"name": "Keyed", "url": "https://keyed.invalid/mcp", "category": "internal_mcp_credentials",
                              "authMode": "user_token", "credentialSchema": schema});
            let keyed = postern.create(body).await?;
            let body = json!({"name": "Consented", "url": "https://consented.invalid/mcp",
                              "category": "internal_mcp_credentials", "authMode": "oauth",
                              "oauth": {"provider": "github", "scopes": ["repo"]}});
            let consented = postern.create(body).await?;
            let expired = postern.insert_key("expired", &["admin"], Some(1)).await?;
            let developer = postern.insert_key("developer", &["developer"], None).await?;
            settle(&postern).await?;
            Ok(World { postern, taken, keyed, consented, expired, developer })
        })
        .await
}

/// Waits until the work that follows an answer (the first probe) is done.
pub(super) async fn settle(postern: &Postern) -> Result<()> {
    let mut before = Value::Null;
    black_box::eventually("the database comes to rest", async || {
        let now = postern.contents().await?;
        let at_rest = now == before;
        before = now;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        Ok(at_rest.then_some(()))
    })
    .await
}

/// Sends a request that must be refused with this status, and checks that nothing was written.
pub(super) async fn refused(
    what: &str,
    status: u16,
    request: impl AsyncFnOnce(&World) -> Result<Answer>,
) -> Result<Answer> {
    let world = world().await?;
    let before = world.postern.contents().await?;
    let answer = request(world).await?;
    ensure!(answer.status == status, "{what}: expected {status}, got {}: {}", answer.status, answer.text);
    ensure!(world.postern.contents().await? == before, "{what}: something was written");
    ensure!(answer.header("x-content-type-options") == "nosniff", "{what}: {:?}", answer.headers);
    Ok(answer)
}

/// The failures among a table of cases, collected so that one run shows all of them.
#[derive(Default)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    /// Records the failure of a case, if the case failed.
    pub(super) fn note(&mut self, case: &str, outcome: Result<()>) {
        if let Err(error) = outcome {
            let case: String = case.chars().take(160).collect();
            self.0.push(format!("{case}: {error:#}"));
        }
    }

    /// Returns an error that lists the failures, if there are any.
    pub(super) fn none(self) -> Result<()> {
        ensure!(self.0.is_empty(), "{} cases:\n{}", self.0.len(), self.0.join("\n"));
        Ok(())
    }
}
