//! The registry's operations in short forms that several subjects use.

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration, Postern, Settings,
    api::{Answer, Api},
};
use serde_json::{Value, json};

use crate::{
    agent_by_hand::{Agent, Modern},
    dialects::keys,
};

pub(crate) const INTEGRATIONS: &str = "/api/v1/integrations";

/// The path of an integration in the Kontext dialect, or of a part of the integration.
pub(crate) fn path(id: &str, part: &str) -> String {
    let slash = if part.is_empty() { "" } else { "/" };
    format!("{INTEGRATIONS}/{id}{slash}{part}")
}

/// The usual settings, with personas for the roles `developer` (may use every integration) and `guest` (may use
/// none).
pub(crate) fn settings() -> Result<Settings> {
    let personas = json!([
        {"name": "developer", "roles": ["developer"], "allow_tools": ["*"], "allow_connections": ["*"]},
        {"name": "guest", "roles": ["guest"], "allow_tools": ["*"], "allow_connections": ["no-such-thing"]},
    ]);
    Ok(Settings::new()?.with("PERSONAS", personas.to_string()))
}

/// Waits until the first probe after a create or a change is over.
pub(crate) async fn settled(postern: &Postern, id: &str) -> Result<Integration> {
    postern.settled(id).await
}

/// Calls a tool at an integration's own endpoint and returns the result, failed or not.
pub(crate) async fn call(api: &Api, slug: &str, tool: &str, arguments: Value) -> Result<Value> {
    let agent = Agent::open(Modern, api.clone(), &format!("/integrations/{slug}/mcp")).await?;
    Ok(agent.call(json!("call"), tool, arguments).await?.result(&json!("call"))?.clone())
}

/// Calls `echo` and checks that the call succeeds.
pub(crate) async fn echo(api: &Api, slug: &str, message: &str) -> Result<()> {
    let result = call(api, slug, "echo", json!({"message": message})).await?;
    let text = black_box::mcp::text(&result);
    ensure!(text == format!("Echo: {message}"), "{slug}: {result}");
    Ok(())
}

/// The Hoziron dialect, as one caller uses it.
pub(crate) struct Hoziron {
    pub(crate) api: Api,
}

impl Hoziron {
    /// The administrator.
    pub(crate) fn of(postern: &Postern) -> Result<Self> {
        Ok(Self { api: postern.admin()? })
    }

    /// Installs an integration, checks the whole answer, and returns the id.
    pub(crate) async fn install(&self, body: Value) -> Result<String> {
        let answer = self.api.post("/integrations/install", &body).await?;
        let installed = answer.expect(201)?;
        let id = installed["id"].as_str().with_context(|| format!("no id: {installed}"))?.to_owned();
        ensure!(installed == json!({"id": id, "installed": true}), "{installed}");
        ensure!(answer.header("location") == format!("/integrations/{id}"), "{:?}", answer.headers);
        Ok(id)
    }

    /// Installs an integration, and waits until its first probe has found this number of tools.
    pub(crate) async fn install_probed(&self, body: Value, tools: usize) -> Result<String> {
        let id = self.install(body).await?;
        black_box::eventually(&format!("{id} shows {tools} tools"), async || {
            let item = self.item(&id).await?.context("the installed integration is not listed")?;
            Ok((item["tools_count"] == tools).then_some(()))
        })
        .await?;
        Ok(id)
    }

    /// Sends `start`, `stop` or `restart`.
    pub(crate) async fn act(&self, id: &str, action: &str) -> Result<Answer> {
        self.api.call("POST", &format!("/integrations/{id}/{action}")).await
    }

    /// Starts or restarts an integration, which must succeed. Returns the pid.
    pub(crate) async fn run(&self, id: &str, action: &str) -> Result<u64> {
        let started = self.act(id, action).await?.expect(200)?;
        let pid = started["pid"].as_u64().with_context(|| format!("no pid: {started}"))?;
        ensure!(pid > 0 && started == json!({"id": id, "status": "running", "pid": pid}), "{started}");
        Ok(pid)
    }

    /// Stops an integration, which must succeed.
    pub(crate) async fn stop(&self, id: &str) -> Result<()> {
        let stopped = self.act(id, "stop").await?.expect(200)?;
        ensure!(stopped == json!({"id": id, "status": "stopped"}), "{stopped}");
        Ok(())
    }

    /// An integration's status document, with a check of its form.
    pub(crate) async fn status(&self, id: &str) -> Result<Value> {
        let status = self.api.get(&format!("/integrations/{id}/status")).await?.expect(200)?;
        let mut expected = vec!["id", "status", "tools_count", "uptime_secs"];
        expected.extend(["pid"].into_iter().filter(|_| status["status"] != "stopped"));
        let failing = status["status"] == "error" || status["last_error"].is_string();
        expected.extend(["last_error"].into_iter().filter(|_| failing));
        expected.sort_unstable();
        ensure!(keys(&status) == expected, "{status}");
        ensure!(status["id"] == id && status["uptime_secs"].is_u64(), "{status}");
        Ok(status)
    }

    /// The names of an integration's tools.
    pub(crate) async fn tools(&self, id: &str) -> Result<Vec<String>> {
        let tools = self.api.get(&format!("/integrations/{id}/tools")).await?.expect(200)?;
        ensure!(keys(&tools) == ["tools"], "{tools}");
        let names = tools["tools"].as_array().context("no tools")?.iter().map(|tool| {
            ensure!(keys(tool) == ["description", "name"] || keys(tool) == ["name"], "{tool}");
            tool["name"].as_str().map(str::to_owned).with_context(|| format!("no name in {tool}"))
        });
        names.collect()
    }

    /// An integration's entry in the list; `None` if there is none.
    pub(crate) async fn item(&self, id: &str) -> Result<Option<Value>> {
        let list = self.api.get("/integrations").await?.expect(200)?;
        let items = list["integrations"].as_array().with_context(|| format!("no list: {list}"))?;
        Ok(items.iter().find(|item| item["id"] == id).cloned())
    }
}
