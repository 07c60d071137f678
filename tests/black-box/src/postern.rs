//! Postern itself, on the runtime under test.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    api::{Answer, Api},
    eventually,
    host::{Host, Start},
    key::{self, ApiKey},
    runtime::Runtime,
};

/// How Postern is configured for a test.
#[derive(Clone, Debug)]
pub struct Settings {
    bindings: BTreeMap<String, String>,
    admin: ApiKey,
    persist: Option<PathBuf>,
}

impl Settings {
    /// Fresh secrets; loopback upstreams are allowed.
    pub fn new() -> Result<Self> {
        let admin = ApiKey::generate()?;
        let bindings = [
            ("ENCRYPTION_KEY", key::encryption_key()?),
            ("BOOTSTRAP_ADMIN_KEY", admin.text.clone()),
            ("ALLOW_LOOPBACK_UPSTREAMS", "true".to_owned()),
            ("SCHEDULER_TOKEN", ApiKey::generate()?.text),
        ];
        let bindings = bindings.map(|(name, value)| (name.to_owned(), value)).into();
        Ok(Self { bindings, admin, persist: None })
    }

    /// Sets a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.bindings.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a setting out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.bindings.remove(name);
        self
    }

    /// Keeps the data in a folder that outlives this process of Postern.
    #[must_use]
    pub fn persisted_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.persist = Some(folder.into());
        self
    }

    /// The secrets among the settings, which must never be visible anywhere.
    pub fn secrets(&self) -> Vec<String> {
        let names = ["ENCRYPTION_KEY", "BOOTSTRAP_ADMIN_KEY", "SCHEDULER_TOKEN"];
        names.iter().filter_map(|name| self.bindings.get(*name).cloned()).collect()
    }
}

/// A running Postern.
pub struct Postern {
    runtime: Runtime,
    host: Host,
    settings: Settings,
    tables: OnceCell<Vec<String>>,
}

/// A registered integration.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its UUID.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// The whole object, as the latest answer showed it.
    pub object: Value,
}

impl Integration {
    /// The path of the integration's own MCP endpoint.
    pub fn path(&self) -> String {
        format!("/integrations/{}/mcp", self.slug)
    }

    /// Reads an answer of the form `{integration}`.
    pub fn of(answer: &Value) -> Result<Self> {
        let object = answer.get("integration").with_context(|| format!("no integration in {answer}"))?;
        let text = |name: &str| {
            object[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {answer}"))
        };
        Ok(Self { id: text("id")?, slug: text("slug")?, object: object.clone() })
    }
}

impl Postern {
    /// Starts Postern and waits until it accepts requests.
    pub async fn start(runtime: Runtime, settings: Settings) -> Result<Self> {
        let start = Start {
            bindings: settings.bindings.clone(),
            persist: settings.persist.clone(),
            ..Start::default()
        };
        let host = Host::start(runtime, start).await?;
        Ok(Self { runtime, host, settings, tables: OnceCell::new() })
    }

    /// The runtime that Postern runs on.
    pub fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// Stops Postern in order.
    pub async fn stop(self) -> Result<()> {
        self.host.stop().await
    }

    /// Kills Postern in the middle of its work.
    pub async fn kill(self) -> Result<()> {
        self.host.kill().await
    }

    /// The settings that Postern was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.host.url())
    }

    /// Host and port, as a `Host` header has them.
    pub fn address(&self) -> &str {
        self.host.url().trim_start_matches("http://")
    }

    /// The resident memory, in bytes, of the process that runs Postern, where the system tells.
    pub fn resident_memory(&self) -> Option<u64> {
        self.host.resident_memory()
    }

    /// The text of the bootstrap admin key.
    pub fn admin_key(&self) -> &str {
        &self.settings.admin.text
    }

    /// The administrator as a caller.
    pub fn admin(&self) -> Result<Api> {
        self.caller(self.admin_key())
    }

    /// A caller with the given key.
    pub fn caller(&self, key: &str) -> Result<Api> {
        Api::new(self.host.url(), Some(key))
    }

    /// A caller without any key.
    pub fn stranger(&self) -> Result<Api> {
        Api::new(self.host.url(), None)
    }

    /// Runs SQL on the database without asking Postern.
    pub async fn sql(&self, sql: &str, params: Value) -> Result<Vec<Value>> {
        self.host.sql(sql, params).await
    }

    /// The number `n` in the first row that a query returns.
    pub async fn number(&self, sql: &str) -> Result<u64> {
        let rows = self.sql(sql, Value::Array(Vec::new())).await?;
        rows.first().and_then(|row| row["n"].as_u64()).with_context(|| format!("no number from {sql}"))
    }

    /// Every entry of the key-value store.
    pub async fn kv(&self) -> Result<Value> {
        self.host.kv().await
    }

    /// Everything that Postern printed.
    pub fn console(&self) -> String {
        self.host.console()
    }

    /// Runs one tick of the scheduled validation and waits for its end: by cron on workerd, by HTTP on Spin.
    pub async fn tick(&self) -> Result<()> {
        match self.runtime {
            Runtime::Workerd => self.host.scheduled("* * * * *").await,
            Runtime::Spin => {
                let answer = self.job("validate").await?;
                // Without usable settings no job can run, and the answer is 503.
                ensure!(matches!(answer.status, 200 | 503), "{}: {}", answer.status, answer.text);
                Ok(())
            }
        }
    }

    /// Runs one tick of a job over HTTP, as an external scheduler does.
    pub async fn job(&self, name: &str) -> Result<Answer> {
        let token = self.settings.bindings.get("SCHEDULER_TOKEN").context("no scheduler token")?;
        self.caller(token)?.call("POST", &format!("/_scheduled/{name}")).await
    }

    /// Stores a key with these roles in the database and returns its text.
    pub async fn insert_key(&self, name: &str, roles: &[&str], expires_at: Option<u64>) -> Result<String> {
        // Where Postern applies the migrations itself, the first request applies them.
        self.admin()?.get("/api/v1/integrations").await?.expect(200)?;
        let key = ApiKey::generate()?;
        let sql = "INSERT INTO api_keys (id, name, hash, roles, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, 0, ?5)";
        let roles = json!(roles).to_string();
        self.sql(sql, json!([key.id, name, key.hash(), roles, expires_at])).await?;
        Ok(key.text)
    }

    /// Registers an upstream without credentials and validates it.
    pub async fn register(&self, name: &str, url: &str) -> Result<Integration> {
        self.register_with(json!({"name": name, "url": url, "authMode": "none"})).await
    }

    /// Registers an integration and validates it. No other probe of it is under way afterwards.
    pub async fn register_with(&self, body: Value) -> Result<Integration> {
        let integration = self.create(body).await?;
        self.settled(&integration.id).await?;
        let integration = self.validate(&integration.id).await?;
        let status = &integration.object["validationStatus"];
        ensure!(status == "valid", "{} is not valid: {}", integration.slug, integration.object);
        Ok(integration)
    }

    /// Registers an integration. The probe that follows a create may still be under way.
    pub async fn create(&self, body: Value) -> Result<Integration> {
        Integration::of(&self.admin()?.post("/api/v1/integrations", &body).await?.expect(201)?)
    }

    /// Waits for the probe that follows a create, or a change of what Postern dials.
    pub async fn settled(&self, id: &str) -> Result<Integration> {
        eventually("the probe is over", async || {
            let integration = self.integration(id).await?;
            Ok((integration.object["validationStatus"] != "pending").then_some(integration))
        })
        .await
    }

    /// Validates an integration.
    pub async fn validate(&self, id: &str) -> Result<Integration> {
        let path = format!("/api/v1/integrations/{id}/validate");
        Integration::of(&self.admin()?.call("POST", &path).await?.expect(200)?)
    }

    /// Reads an integration.
    pub async fn integration(&self, id: &str) -> Result<Integration> {
        Integration::of(&self.admin()?.get(&format!("/api/v1/integrations/{id}")).await?.expect(200)?)
    }

    /// Waits until a given number of audit rows satisfies a condition, and returns them oldest first.
    pub async fn audit(&self, condition: &str, params: Value, count: usize) -> Result<Vec<Value>> {
        let sql = format!("SELECT * FROM audit_events WHERE {condition} ORDER BY timestamp, rowid");
        eventually(&format!("{count} audit rows where {condition} {params}"), async || {
            let rows = self.sql(&sql, params.clone()).await?;
            ensure!(rows.len() <= count, "more than {count} audit rows where {condition}: {rows:?}");
            Ok((rows.len() == count).then_some(rows))
        })
        .await
    }

    /// Every row of every table but the audit's and the request counters', as one JSON object: two equal ones show that
    /// nothing was written.
    pub async fn contents(&self) -> Result<Value> {
        let names = self.tables.get_or_try_init(async || self.table_names().await).await?;
        let statements: Vec<_> =
            names.iter().map(|name| format!("SELECT * FROM {name} ORDER BY rowid")).collect();
        let tables = self.host.batch(&statements).await?;
        Ok(names.iter().cloned().zip(tables).collect())
    }

    async fn table_names(&self) -> Result<Vec<String>> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                   AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT IN ('audit_events', 'rate_limits') ORDER BY name";
        let rows = self.sql(sql, json!([])).await?;
        rows.iter()
            .map(|row| row["name"].as_str().map(str::to_owned).context("a table without a name"))
            .collect()
    }
}
