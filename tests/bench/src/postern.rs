//! Setting Postern up as an operator would: secrets, an agent's key under a persona with globs, three integrations.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    args::Args,
    http_client::{Connection, authority},
    processes::{LONG_LIST, Process, SHORT_LIST},
};

/// How many tools an agent sees at `/mcp`.
pub(crate) const TOOLS: usize = LONG_LIST + 2 * SHORT_LIST;

/// What a deployment keeps across restarts.
pub(crate) struct Secrets {
    encryption_key: String,
    /// `SCHEDULER_TOKEN`.
    pub(crate) scheduler: String,
    pub(crate) admin: Key,
    pub(crate) agent: Key,
}

/// Where the API keys are.
const KEYS: &str = "/api/v1/admin/auth/keys";

/// An API key.
pub(crate) struct Key {
    id: String,
    pub(crate) text: String,
}

impl Key {
    /// A fresh one.
    fn new() -> Result<Self> {
        let id = random::<8>()?.iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        let text = format!("pst_{id}_{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
        Ok(Self { id, text })
    }
}

impl Secrets {
    /// Fresh ones.
    pub(crate) fn new() -> Result<Self> {
        let encryption_key = STANDARD.encode(random::<32>()?);
        let scheduler = URL_SAFE_NO_PAD.encode(random::<32>()?);
        Ok(Self { encryption_key, scheduler, admin: Key::new()?, agent: Key::new()? })
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(bytes)
}

/// Starts Postern. `migrate` brings the database in `persist` up to date first.
pub(crate) async fn start(args: &Args, secrets: &Secrets, persist: &Path, migrate: bool) -> Result<Process> {
    let mut start = json!({ "bindings": bindings(secrets), "d1": true, "kv": true, "persist": persist });
    if let (false, Some(start)) = (migrate, start.as_object_mut()) {
        start.insert("migrations".into(), json!(false));
    }
    Process::worker(args, &args.build.join("index.js"), start).await
}

/// Starts Postern on Spin's test host. It applies the migrations itself, at its first request.
pub(crate) async fn start_on_spin(
    args: &Args,
    host: &Path,
    secrets: &Secrets,
    state: &Path,
) -> Result<Process> {
    let variables: BTreeMap<String, String> =
        bindings(secrets).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let manifest = args.root.join("spin.toml");
    let start = json!({ "manifest": manifest, "variables": variables, "state_dir": state });
    let process = Process::spin(host, start).await?;
    let authority = authority(process.url()?)?;
    let request = Request::get("/health").header("host", authority).body(Full::default())?;
    let answer = Connection::open(authority).await?.send(request).await?;
    ensure!(answer.status == StatusCode::OK, "/health: {} {:?}", answer.status, answer.body);
    Ok(process)
}

fn bindings(secrets: &Secrets) -> BTreeMap<&'static str, String> {
    let personas = json!([{
        "name": "bench",
        "roles": ["bench"],
        "allow_tools": ["modern__*", "legacy__*", "catalogue__*", "broken__*"],
        "deny_tools": ["*__drop_*", "*__delete_*"],
        "allow_connections": ["*"],
        "deny_connections": ["internal-*"],
        "priority": 1,
    }]);
    [
        ("ENCRYPTION_KEY", secrets.encryption_key.clone()),
        ("BOOTSTRAP_ADMIN_KEY", secrets.admin.text.clone()),
        ("SCHEDULER_TOKEN", secrets.scheduler.clone()),
        ("ALLOW_LOOPBACK_UPSTREAMS", "true".to_owned()),
        ("PERSONAS", personas.to_string()),
        // One key makes all calls, as fast as they are answered.
        ("REQUESTS_PER_MINUTE", "0".to_owned()),
        ("ANONYMOUS_REQUESTS_PER_MINUTE", "0".to_owned()),
    ]
    .into()
}

/// Starts the empty pass-through Worker. It has the same bindings, so that workerd's own services weigh the same.
pub(crate) async fn start_passthrough(args: &Args, upstream: &str, persist: &Path) -> Result<Process> {
    let start = json!({
        "bindings": {"UPSTREAM": upstream},
        "d1": true,
        "kv": true,
        "migrations": false,
        "persist": persist,
    });
    Process::worker(args, &args.passthrough(), start).await
}

/// Registers the integrations and the agent's key; returns the id of one integration.
pub(crate) async fn set_up(postern: &mut Process, secrets: &Secrets, upstream: &str) -> Result<String> {
    let mut admin = Admin::of(postern, secrets).await?;
    let short = format!("?tools={SHORT_LIST}");
    let mut first = None;
    for (name, path) in [("Modern", "/modern"), ("Legacy", "/legacy"), ("Catalogue", "/modern")] {
        let query = if name == "Catalogue" { "" } else { short.as_str() };
        let id = admin.register(name, &format!("{upstream}{path}{query}")).await?;
        first.get_or_insert(id);
    }
    insert_key(postern, &secrets.agent).await?;
    first.context("no integration")
}

/// Stores the agent's key under the persona of the benchmark. By SQL, since the admin API makes up a key's text, and the
/// deployments that are compared have the same one.
async fn insert_key(postern: &mut Process, key: &Key) -> Result<()> {
    let hash = Sha256::digest(key.text.as_bytes())
        .iter()
        .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    let principal = json!(format!("key:{}", key.id));
    let sql = "INSERT INTO principals (id, name, created_at) VALUES (?1, 'bench', 0)";
    postern.sql(sql, std::slice::from_ref(&principal)).await?;
    let sql = "INSERT INTO api_keys (id, name, principal, hash, roles, created_at) \
               VALUES (?1, 'bench', ?2, ?3, '[\"bench\"]', 0)";
    postern.sql(sql, &[json!(key.id), principal, json!(hash)]).await.map(drop)
}

/// The administrator's connection.
pub(crate) struct Admin {
    connection: Connection,
    url: String,
    key: String,
}

impl Admin {
    /// Connects to Postern.
    pub(crate) async fn of(postern: &Process, secrets: &Secrets) -> Result<Self> {
        let url = postern.url()?.to_owned();
        let connection = Connection::open(authority(&url)?).await?;
        Ok(Self { connection, url, key: secrets.admin.text.clone() })
    }

    /// Registers the integration `broken`, whose upstream works until its URL is changed.
    pub(crate) async fn register_broken(&mut self, upstream: &str) -> Result<()> {
        self.register("Broken", &format!("{upstream}/modern?tools={SHORT_LIST}")).await.map(drop)
    }

    /// Makes a key under the persona of the benchmark. Returns its text.
    pub(crate) async fn create_key(&mut self, name: &str) -> Result<String> {
        let body = json!({"name": name, "roles": ["bench"]});
        let created = self.post(KEYS, &body, StatusCode::CREATED).await?;
        created.get("key").and_then(Value::as_str).map(str::to_owned).context("no key")
    }

    /// Deletes the key `name`.
    pub(crate) async fn delete_key(&mut self, name: &str) -> Result<()> {
        self.send(Method::DELETE, &format!("{KEYS}/{name}"), String::new(), StatusCode::OK).await.map(drop)
    }

    /// Registers an integration and validates it. Returns its id.
    async fn register(&mut self, name: &str, url: &str) -> Result<String> {
        let body = json!({"name": name, "url": url, "authMode": "none"});
        let created = self.post("/api/v1/integrations", &body, StatusCode::CREATED).await?;
        let id = created.pointer("/integration/id").and_then(Value::as_str).context("no id")?.to_owned();
        let path = format!("/api/v1/integrations/{id}/validate");
        let validated = self.post(&path, &json!({}), StatusCode::OK).await?;
        let status = validated.pointer("/integration/validationStatus").and_then(Value::as_str);
        ensure!(status == Some("valid"), "the integration {name} is not valid: {validated}");
        Ok(id)
    }

    async fn post(&mut self, path: &str, body: &Value, wanted: StatusCode) -> Result<Value> {
        let text = self.send(Method::POST, path, body.to_string(), wanted).await?;
        serde_json::from_str(&text).with_context(|| format!("POST {path}: no JSON"))
    }

    async fn send(&mut self, method: Method, path: &str, body: String, wanted: StatusCode) -> Result<String> {
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .header("host", authority(&self.url)?)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))?;
        let answer = self.connection.send(request).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status == wanted, "{method} {path}: {} {text}", answer.status);
        Ok(text)
    }
}
