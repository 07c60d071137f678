//! Connecting to upstreams by OAuth: with an authorization server that other people wrote, MCP servers that it
//! protects, and the browsers of people who consent.

mod admin;
mod browser;
mod callback;
mod canary;
mod documents;
mod feather;
mod identity;
mod interleaved;
mod keys;
mod kills;
mod kontext;
mod leaving;
mod moved;
mod page;
mod refresh;
mod servers;
mod unconnected;

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration, Postern, Settings,
    api::{Answer, Api},
    oauth::{Browser, PUBLIC_URL, Provider},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::registry::INTEGRATIONS;
use crate::{fixtures, registry};

/// The page where a sign-in ends when the request named no other place.
const CONNECTED: &str = "/oauth/connected";

/// The id of no integration.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// A Postern and an authorization server, each configured with the other's address.
struct World {
    postern: Postern,
    provider: Provider,
    developer: String,
    guest: String,
}

impl World {
    /// A world for one test alone; `options` are the authorization server's.
    async fn new(options: Value) -> Result<Self> {
        Self::with_settings(settings()?, options).await
    }

    async fn with_settings(settings: Settings, options: Value) -> Result<Self> {
        let postern = fixtures::postern_with(settings).await?;
        let provider = Provider::start(&postern.url(""), options).await?;
        Ok(Self {
            developer: postern.insert_key("developer", &["developer"], None).await?,
            guest: postern.insert_key("guest", &["guest"], None).await?,
            postern,
            provider,
        })
    }

    fn admin(&self) -> Result<Api> {
        self.postern.admin()
    }

    /// A user who may use every integration and manage none.
    fn developer(&self) -> Result<Api> {
        self.postern.caller(&self.developer)
    }

    /// A user who may use no integration.
    fn guest(&self) -> Result<Api> {
        self.postern.caller(&self.guest)
    }

    /// The world that tests share if they change nothing that other tests see.
    async fn shared() -> Result<&'static Self> {
        static WORLD: OnceCell<World> = OnceCell::const_new();
        WORLD.get_or_try_init(async || Self::new(json!({})).await).await
    }

    /// A new user, who may use every integration.
    async fn user(&self, name: &str) -> Result<Api> {
        // Names of keys are unique, and several tests have an Alice.
        static USERS: AtomicU64 = AtomicU64::new(0);
        let name = format!("{name} {}", USERS.fetch_add(1, Ordering::Relaxed));
        self.postern.caller(&self.postern.insert_key(&name, &["developer"], None).await?)
    }

    /// A browser of a person with this account at the authorization server.
    fn browser(&self, account: &str) -> Result<Browser> {
        Browser::new(&self.postern.url(""), account)
    }

    /// Registers an integration whose users connect by OAuth.
    async fn integration(&self, name: &str, url: &str, oauth: Value) -> Result<Integration> {
        let body = json!({"name": name, "url": url, "authMode": "oauth", "oauth": oauth});
        Integration::of(&self.admin()?.post(INTEGRATIONS, &body).await?.expect(201)?)
    }

    /// Connects `user` with `account`: init, consent, callback, confirmation. Only the end of the sign-in is checked.
    async fn connect(&self, user: &Api, account: &str, integration: &Integration) -> Result<()> {
        let started = init(user, &integration.id).await?;
        let browser = self.browser(account)?;
        let back = browser.consent(text(&started, "authorizationUrl")?).await?;
        arrived(&browser.finish(&back).await?, CONNECTED)
    }

    /// Connects `user` with `account`, and waits until the integration's tools are listed.
    async fn connect_first(&self, user: &Api, account: &str, integration: &Integration) -> Result<()> {
        self.connect(user, account, integration).await?;
        self.tools_known(integration).await
    }

    /// Waits until an integration's tools are listed.
    async fn tools_known(&self, integration: &Integration) -> Result<()> {
        black_box::eventually("the tools are known", async || {
            let tools = fixtures::modern_tools(&self.admin()?, &integration.path()).await?;
            Ok(tools.iter().any(|tool| tool != "connect").then_some(()))
        })
        .await
    }
}

/// The usual settings, and the public URL to which authorization servers send people back.
fn settings() -> Result<Settings> {
    Ok(registry::settings()?.with("PUBLIC_URL", PUBLIC_URL))
}

/// `POST /mcp/integrations/{id}/oauth/init`, which must succeed.
async fn init(user: &Api, id: &str) -> Result<Value> {
    user.call("POST", &format!("/mcp/integrations/{id}/oauth/init")).await?.expect(200)
}

/// `object` with `members` added or replaced.
pub(crate) fn with(mut object: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
    object
}

/// A member that must be a string.
fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    value[name].as_str().with_context(|| format!("no text {name} in {value}"))
}

/// Checks that an answer is a redirect (302) to `place` without a body.
fn arrived(answer: &Answer, place: &str) -> Result<()> {
    ensure!(answer.status == 302, "expected 302, got {}: {}", answer.status, answer.text);
    ensure!(answer.header("location") == place, "not to {place}: {:?}", answer.headers);
    ensure!(answer.text.is_empty(), "a body: {}", answer.text);
    Ok(())
}

/// Checks that an answer is a page with this status, whose headers forbid scripts, caches and frames. Returns the
/// page.
fn is_page(answer: &Answer, status: u16) -> Result<&str> {
    ensure!(answer.status == status, "expected {status}, got {}: {}", answer.status, answer.text);
    ensure!(answer.header("content-type") == "text/html; charset=utf-8", "{:?}", answer.headers);
    let policy: Vec<_> = answer.header("content-security-policy").split(';').map(str::trim).collect();
    for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        ensure!(policy.contains(&directive), "no {directive} in {policy:?}");
    }
    ensure!(!policy.iter().any(|directive| directive.starts_with("script-src")), "{policy:?}");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ] {
        ensure!(answer.header(name) == value, "{name}: {:?}", answer.headers);
    }
    ensure!(answer.text.starts_with("<!doctype html>"), "{}", answer.text);
    ensure!(!answer.text.to_ascii_lowercase().contains("<script"), "{}", answer.text);
    Ok(&answer.text)
}

/// What the tool `whoami` of the protected server returns to this user.
async fn whoami(user: &Api, slug: &str) -> Result<Value> {
    read_whoami(&registry::call(user, slug, "whoami", json!({})).await?)
}

fn read_whoami(result: &Value) -> Result<Value> {
    ensure!(result["isError"] != true, "{result}");
    let text = black_box::mcp::text(result);
    serde_json::from_str(text).with_context(|| format!("not what whoami answers: {result}"))
}

/// The reason and the link in the failure of a call whose user has to connect first.
async fn link(user: &Api, slug: &str, tool: &str) -> Result<(String, String)> {
    let result = registry::call(user, slug, tool, json!({})).await?;
    ensure!(result["isError"] == true, "{result}");
    let text = black_box::mcp::text(&result);
    let prefix = format!("upstream:{slug}: ");
    let text = text.strip_prefix(&prefix).with_context(|| text.to_owned())?;
    let (reason, rest) = text.split_once(": open ").with_context(|| text.to_owned())?;
    let url = rest.strip_suffix(" in a browser").with_context(|| text.to_owned())?;
    ensure!(url.starts_with(&format!("{PUBLIC_URL}/oauth/connect?ticket=")), "{text}");
    Ok((reason.to_owned(), url.to_owned()))
}

/// The auth events about an integration, oldest first: each one's kind, and the owner of the credential.
async fn events(postern: &Postern, integration: &Integration) -> Result<Vec<(String, String)>> {
    let sql =
        "SELECT event_type, owner FROM auth_events WHERE integration_id = ?1 ORDER BY occurred_at, rowid";
    let rows = postern.sql(sql, json!([integration.id])).await?;
    rows.iter().map(|row| Ok((text(row, "event_type")?.to_owned(), text(row, "owner")?.to_owned()))).collect()
}

/// Whether a text is 43 characters of base64url, which is 256 bits.
fn is_256_bits(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The number of milliseconds from now to a time that Postern wrote.
async fn from_now(postern: &Postern, time: &Value) -> Result<i64> {
    let sql = "SELECT CAST((julianday(?1) - 2440587.5) * 86400000 AS INTEGER) AS ms, \
               CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now";
    let rows = postern.sql(sql, json!([time])).await?;
    let number = |name: &str| rows[0][name].as_i64().with_context(|| format!("{time} is no time"));
    Ok(number("ms")? - number("now")?)
}
