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

/// An API key.
pub(crate) struct Key {
    id: String,
    pub(crate) text: String,
}

impl Key {
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
        "allow_tools": ["modern__*", "legacy__*", "catalogue__*"],
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
    let url = postern.url()?.to_owned();
    let mut admin =
        Admin { connection: Connection::open(authority(&url)?).await?, url, key: secrets.admin.text.clone() };
    let short = format!("?tools={SHORT_LIST}");
    let mut first = None;
    for (name, path) in [("Modern", "/modern"), ("Legacy", "/legacy"), ("Catalogue", "/modern")] {
        let query = if name == "Catalogue" { "" } else { short.as_str() };
        let body = json!({"name": name, "url": format!("{upstream}{path}{query}"), "authMode": "none"});
        let created = admin.post("/api/v1/integrations", &body, StatusCode::CREATED).await?;
        let id = created.pointer("/integration/id").and_then(Value::as_str).context("no id")?.to_owned();
        let path = format!("/api/v1/integrations/{id}/validate");
        let validated = admin.post(&path, &json!({}), StatusCode::OK).await?;
        let status = validated.pointer("/integration/validationStatus").and_then(Value::as_str);
        ensure!(status == Some("valid"), "the integration {name} is not valid: {validated}");
        first.get_or_insert(id);
    }
    let hash = Sha256::digest(secrets.agent.text.as_bytes())
        .iter()
        .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    postern
        .sql(
            "INSERT INTO api_keys (id, name, hash, roles, created_at) VALUES (?1, 'bench', ?2, '[\"bench\"]', 0)",
            &[json!(secrets.agent.id), json!(hash)],
        )
        .await?;
    first.context("no integration")
}

/// The administrator's connection.
struct Admin {
    connection: Connection,
    url: String,
    key: String,
}

impl Admin {
    async fn post(&mut self, path: &str, body: &Value, wanted: StatusCode) -> Result<Value> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", authority(&self.url)?)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(Full::new(body.to_string().into()))?;
        let answer = self.connection.send(request).await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == wanted, "POST {path}: {} {text}", answer.status);
        serde_json::from_str(&text).with_context(|| format!("POST {path}: {text}"))
    }
}
