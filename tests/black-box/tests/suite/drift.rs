//! Upstreams that change their tools: what a probe finds is offered at once, or kept back until an administrator has
//! approved the change.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use black_box::{Integration, Postern, api::Api};
use serde_json::{Value, json};
use stub_upstream::Stub;

use crate::{
    agent_by_hand::{Agent, Legacy, Modern},
    dialects::keys,
    fixtures,
    registry::{self, Hoziron, path},
};

/// A Postern with one integration, whose upstream is a stub.
struct World {
    postern: Postern,
    admin: Api,
    stub: Stub,
    integration: Integration,
}

async fn world(policy: &str) -> Result<World> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let body =
        json!({"name": "Drifting", "url": stub.url("/dual"), "authMode": "none", "toolPolicy": policy});
    let integration = postern.register_with(body).await?;
    Ok(World { admin: postern.admin()?, postern, stub, integration })
}

/// A tool's definition as the upstream gives it.
fn definition(name: &str, description: &str, properties: Value) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object", "properties": properties}})
}

impl World {
    /// Lets Postern probe the upstream, which must succeed.
    async fn probe(&self) -> Result<()> {
        let object = self.postern.validate(&self.integration.id).await?.object;
        ensure!(object["validationStatus"] == "valid", "{object}");
        Ok(())
    }

    /// Every tool that the integration's catalogue has, by name, over all pages.
    async fn tools(&self) -> Result<BTreeMap<String, Value>> {
        let mut tools = BTreeMap::new();
        let mut query = "limit=3".to_owned();
        loop {
            let page = self
                .admin
                .get(&format!("{}?{query}", path(&self.integration.id, "tools")))
                .await?
                .expect(200)?;
            for tool in page["items"].as_array().with_context(|| format!("no items: {page}"))? {
                check_form(tool)?;
                let name = tool["name"].as_str().context("no name")?.to_owned();
                ensure!(tools.insert(name, tool.clone()).is_none(), "{tool} is listed twice");
            }
            match page.get("nextCursor") {
                Some(cursor) => query = format!("limit=3&cursor={}", cursor.as_str().context("no text")?),
                None => return Ok(tools),
            }
        }
    }

    async fn tool(&self, name: &str) -> Result<Value> {
        self.tools().await?.remove(name).with_context(|| format!("{name} is not known"))
    }

    /// Approves or rejects a tool. Returns the tool as the answer shows it.
    async fn decide(&self, name: &str, decision: &str) -> Result<Value> {
        let id = self.tool(name).await?["id"].as_str().context("no id")?.to_owned();
        let path = path(&self.integration.id, &format!("tools/{id}/{decision}"));
        let decided = self.admin.call("POST", &path).await?.expect(200)?;
        ensure!(keys(&decided) == ["tool"], "{decided}");
        check_form(&decided["tool"])?;
        ensure!(decided["tool"] == self.tool(name).await?, "{decided}");
        Ok(decided["tool"].clone())
    }

    /// Waits until the tools that agents are offered are the expected ones, the same in every list.
    async fn offers(&self, expected: &[&str]) -> Result<()> {
        fixtures::seen(&self.postern, &format!("exactly {expected:?} are offered"), async || {
            let aggregate = fixtures::legacy_tools(&self.admin, "/mcp").await?;
            let own = fixtures::modern_tools(&self.admin, &self.integration.path()).await?;
            let prefixed = fixtures::prefixed(&self.integration.slug, &own);
            Ok((aggregate == prefixed && own.iter().eq(expected)).then_some(()))
        })
        .await?;
        let hoziron = Hoziron::of(&self.postern)?;
        let mut tools = hoziron.tools(&self.integration.slug).await?;
        tools.sort_unstable();
        ensure!(tools == expected, "{tools:?}");
        ensure!(hoziron.status(&self.integration.slug).await?["tools_count"] == expected.len());
        Ok(())
    }

    /// The definition of a tool that agents are shown.
    async fn seen(&self, name: &str) -> Result<Value> {
        let agent = Agent::open(Modern, self.admin.clone(), &self.integration.path()).await?;
        let reply = agent.send(json!(1), "tools/list", json!({})).await?;
        let tools = reply.result(&json!(1))?["tools"].as_array().context("no tools")?.clone();
        tools.into_iter().find(|tool| tool["name"] == name).with_context(|| format!("{name} is not listed"))
    }

    /// Checks that a call is refused like one to a tool that does not exist, and that nothing reaches the upstream.
    async fn refuses(&self, tool: &str) -> Result<()> {
        self.stub.forget_requests();
        for era in [Legacy, Modern] {
            let agent = Agent::open(era, self.admin.clone(), &self.integration.path()).await?;
            let reply = agent.call(json!(1), tool, json!({"message": "x"})).await?;
            let error = reply.error(&json!(1))?;
            ensure!(error["code"] == -32602, "{error}");
            ensure!(error["message"].as_str().unwrap_or_default().contains("Unknown tool"), "{error}");
        }
        ensure!(fixtures::calls(&self.stub).is_empty(), "{tool} was called");
        Ok(())
    }
}

fn check_form(tool: &Value) -> Result<()> {
    for name in ["id", "name", "status", "firstSeenAt"] {
        ensure!(tool[name].is_string(), "no {name} in {tool}");
    }
    let id = tool["id"].as_str().unwrap_or_default();
    ensure!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{tool}");
    ensure!(tool["offered"].is_boolean() && tool["definition"].is_object(), "{tool}");
    for change in tool["diff"].as_array().with_context(|| format!("no diff in {tool}"))? {
        let expected: &[&str] = match change["change"].as_str() {
            Some("added") => &["after", "change", "path"],
            Some("removed") => &["before", "change", "path"],
            Some("changed") => &["after", "before", "change", "path"],
            _ => &[],
        };
        ensure!(keys(change) == expected, "{change}");
    }
    Ok(())
}

/// A tool's differences by the place in the definition.
fn diff(tool: &Value) -> BTreeMap<&str, &Value> {
    let changes = tool["diff"].as_array().into_iter().flatten();
    changes.map(|change| (change["path"].as_str().unwrap_or_default(), change)).collect()
}

const REAL: [&str; 7] =
    ["add", "echo", "fail", "gated_progress", "mirrored", "protocol_error", "slow_progress"];

#[tokio::test]
async fn under_the_policy_auto_everything_is_taken_over_at_once() -> Result<()> {
    let world = world("auto").await?;
    world.offers(&REAL).await?;
    world.stub.set_tool(definition("another", "One.", json!({})));
    world.stub.set_tool(definition(
        "echo",
        "Echoes, but differently.",
        json!({"message": {"type": "string"}}),
    ));
    ensure!(world.stub.remove_tool("fail"));
    world.probe().await?;
    world
        .offers(&["add", "another", "echo", "gated_progress", "mirrored", "protocol_error", "slow_progress"])
        .await?;
    ensure!(world.seen("echo").await?["description"] == "Echoes, but differently.");
    for (name, tool) in world.tools().await? {
        ensure!(tool["status"] == "approved" && tool["offered"] == true, "{name}: {tool}");
        ensure!(tool["diff"] == json!([]) && tool.get("found").is_none(), "{name}: {tool}");
    }
    world.refuses("fail").await?;
    let result = registry::call(&world.admin, &world.integration.slug, "another", json!({})).await?;
    ensure!(black_box::mcp::text(&result) == "another found nothing.", "{result}");
    Ok(())
}

#[tokio::test]
async fn under_review_nothing_is_offered_before_it_is_approved() -> Result<()> {
    let world = world("review").await?;
    world.offers(&[]).await?;
    world.refuses("echo").await?;
    for (name, tool) in world.tools().await? {
        ensure!(tool["status"] == "new" && tool["offered"] == false, "{name}: {tool}");
        ensure!(tool.get("approvedAt").is_none(), "{name}: {tool}");
    }
    let approved = world.decide("echo", "approve").await?;
    ensure!(approved["status"] == "approved" && approved["offered"] == true, "{approved}");
    ensure!(approved["approvedAt"].is_string(), "{approved}");
    world.offers(&["echo"]).await?;
    registry::echo(&world.admin, &world.integration.slug, "approved").await?;
    // The same decision may be made twice, and a probe that finds the same definitions changes no decision.
    world.decide("echo", "approve").await?;
    world.probe().await?;
    world.offers(&["echo"]).await?;

    // The list can be narrowed to the tools with one status.
    let admin = &world.admin;
    for (status, count) in [("new", 6), ("approved", 1), ("changed", 0), ("rejected", 0), ("removed", 0)] {
        let page = admin
            .get(&format!("{}?status={status}", path(&world.integration.id, "tools")))
            .await?
            .expect(200)?;
        let items = page["items"].as_array().context("no items")?;
        ensure!(
            items.len() == count && items.iter().all(|tool| tool["status"] == status),
            "{status}: {page}"
        );
    }
    Ok(())
}

/// The whole life of one tool: changed, approved, removed by the upstream, back again.
#[tokio::test]
async fn under_review_a_changed_tool_is_hidden_shown_and_approved() -> Result<()> {
    let world = world("review").await?;
    for name in ["echo", "add"] {
        world.decide(name, "approve").await?;
    }
    world.offers(&["add", "echo"]).await?;
    let old = world.tool("echo").await?["definition"].clone();

    let properties = json!({"message": {"type": "string", "maxLength": 10}, "loud": {"type": "boolean"}});
    world.stub.set_tool(definition("echo", "Echoes, and tells the police.", properties));
    world.probe().await?;
    world.offers(&["add"]).await?;
    world.refuses("echo").await?;
    let changed = world.tool("echo").await?;
    ensure!(changed["status"] == "changed" && changed["offered"] == false, "{changed}");
    ensure!(changed["definition"] == old, "the approved definition is kept: {changed}");
    ensure!(changed["found"]["description"] == "Echoes, and tells the police.", "{changed}");
    ensure!(changed["changedAt"].is_string(), "{changed}");
    let found = diff(&changed);
    let expected = BTreeMap::from([
        (
            "/description",
            json!({"change": "changed", "path": "/description",
                                "before": "Echoes the message back.", "after": "Echoes, and tells the police."}),
        ),
        (
            "/inputSchema/properties/loud",
            json!({"change": "added", "path": "/inputSchema/properties/loud",
                                                "after": {"type": "boolean"}}),
        ),
        (
            "/inputSchema/properties/message/maxLength",
            json!({"change": "added", "path": "/inputSchema/properties/message/maxLength", "after": 10}),
        ),
        (
            "/inputSchema/required",
            json!({"change": "removed", "path": "/inputSchema/required", "before": ["message"]}),
        ),
    ]);
    ensure!(found == expected.iter().map(|(path, change)| (*path, change)).collect(), "{found:?}");

    // The definition may change once more before an administrator decides.
    world.stub.set_tool(definition(
        "echo",
        "Echoes the message back.",
        json!({"message": {"type": "string"}}),
    ));
    world.probe().await?;
    ensure!(diff(&world.tool("echo").await?).into_keys().eq(["/inputSchema/required"]));
    let approved = world.decide("echo", "approve").await?;
    ensure!(approved["status"] == "approved" && approved["diff"] == json!([]), "{approved}");
    ensure!(approved.get("found").is_none(), "{approved}");
    ensure!(approved["definition"]["inputSchema"].get("required").is_none(), "{approved}");
    world.offers(&["add", "echo"]).await?;
    ensure!(world.seen("echo").await?["inputSchema"].get("required").is_none());
    registry::echo(&world.admin, &world.integration.slug, "the new one").await?;

    ensure!(world.stub.remove_tool("echo"));
    world.probe().await?;
    let removed = world.tool("echo").await?;
    ensure!(removed["status"] == "removed" && removed["offered"] == false, "{removed}");
    world.offers(&["add"]).await?;
    world.refuses("echo").await?;
    world.stub.set_tool(definition(
        "echo",
        "Echoes the message back.",
        json!({"message": {"type": "string"}}),
    ));
    world.probe().await?;
    let back = world.tool("echo").await?;
    ensure!(back["status"] == "approved" && back["id"] == approved["id"], "{back}");
    world.offers(&["add", "echo"]).await
}

#[tokio::test]
async fn a_rejected_definition_stays_hidden_until_the_upstream_changes_it() -> Result<()> {
    let world = world("review").await?;
    world.decide("add", "approve").await?;
    let rejected = world.decide("echo", "reject").await?;
    ensure!(rejected["status"] == "rejected" && rejected["offered"] == false, "{rejected}");
    world.offers(&["add"]).await?;
    world.probe().await?;
    ensure!(
        world.tool("echo").await?["status"] == "rejected",
        "a probe that finds the same definition keeps the decision"
    );
    world.refuses("echo").await?;

    world.stub.set_tool(definition("echo", "Better now.", json!({})));
    world.probe().await?;
    let again = world.tool("echo").await?;
    ensure!(["new", "changed"].iter().any(|status| again["status"] == *status), "{again}");
    world.offers(&["add"]).await?;
    world.decide("echo", "approve").await?;
    world.offers(&["add", "echo"]).await?;
    ensure!(world.seen("echo").await?["description"] == "Better now.");

    // The change of an approved tool can be rejected too: then neither the new definition nor the approved one is
    // offered.
    world.stub.set_tool(definition("add", "Adds, and keeps a copy.", json!({})));
    world.probe().await?;
    ensure!(world.decide("add", "reject").await?["status"] == "rejected");
    world.offers(&["echo"]).await?;
    world.refuses("add").await?;
    // A rejected definition can still be approved.
    ensure!(world.decide("add", "approve").await?["status"] == "approved");
    world.offers(&["add", "echo"]).await?;
    ensure!(world.seen("add").await?["description"] == "Adds, and keeps a copy.");
    Ok(())
}

/// Only what an agent sees counts as a change: not the order of an object's members, nor the order of the list.
#[tokio::test]
async fn a_definition_that_means_the_same_is_no_change() -> Result<()> {
    let world = world("review").await?;
    world.stub.set_tool(json!({"name": "same", "description": "D.", "title": "T", "annotations": {"readOnlyHint": true},
                               "inputSchema": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}}}));
    world.probe().await?;
    world.decide("same", "approve").await?;
    world.stub.remove_tool("same");
    world.stub.set_tool(serde_json::from_str(
        r#"{"inputSchema": {"properties": {"b": {"type": "number"}, "a": {"type": "string"}}, "type": "object"},
            "annotations": {"readOnlyHint": true}, "title": "T", "description": "D.", "name": "same"}"#,
    )?);
    world.probe().await?;
    ensure!(world.tool("same").await?["status"] == "approved");
    for change in [
        json!({"title": "U"}),
        json!({"annotations": {"readOnlyHint": false}}),
        json!({"outputSchema": {"type": "object"}}),
        json!({"description": "E."}),
    ] {
        let mut tool = world.tool("same").await?["definition"].clone();
        tool["name"] = json!("same");
        for (member, value) in change.as_object().into_iter().flatten() {
            tool[member] = value.clone();
        }
        world.stub.set_tool(tool);
        world.probe().await?;
        let found = world.tool("same").await?;
        ensure!(found["status"] == "changed", "{change}: {found}");
        let member = change.as_object().and_then(|members| members.keys().next()).context("no member")?;
        ensure!(diff(&found).into_keys().all(|path| path.starts_with(&format!("/{member}"))), "{found}");
        world.decide("same", "approve").await?;
    }
    Ok(())
}

/// Another policy applies from the next probe on.
#[tokio::test]
async fn the_policy_can_be_changed() -> Result<()> {
    let world = world("auto").await?;
    let set = async |policy: &str| -> Result<()> {
        let body = json!({"toolPolicy": policy});
        let patched = world.admin.patch(&path(&world.integration.id, ""), &body).await?.expect(200)?;
        ensure!(patched["integration"]["toolPolicy"] == policy, "{patched}");
        Ok(())
    };
    set("review").await?;
    world.offers(&REAL).await?;
    world.stub.set_tool(definition("another", "One.", json!({})));
    world.probe().await?;
    ensure!(world.tool("another").await?["status"] == "new");
    world.offers(&REAL).await?;
    set("auto").await?;
    world.probe().await?;
    ensure!(world.tool("another").await?["status"] == "approved");
    world
        .offers(&[
            "add",
            "another",
            "echo",
            "fail",
            "gated_progress",
            "mirrored",
            "protocol_error",
            "slow_progress",
        ])
        .await
}
