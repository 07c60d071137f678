//! Tool drift: what a probe finds new, changed or removed, under both policies, through the whole router.

use std::time::Duration;

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

const BASE: &str = "/api/v1/integrations";

struct Registry {
    app: App,
    stub: Stub,
    id: String,
}

impl Registry {
    async fn start(policy: &str) -> Self {
        let app = App::new(integrations::families(), &[]);
        let stub = Stub::start(Options::default()).unwrap();
        let body = json!({ "name": "Drifting", "url": stub.url("/modern"), "toolPolicy": policy });
        let created = app.admin(Method::POST, BASE, body).await;
        let id = created.json()["integration"]["id"].as_str().unwrap().to_owned();
        let registry = Self { app, stub, id };
        registry.probe().await;
        registry
    }

    async fn probe(&self) {
        self.app.settle().await;
        self.app.clock.advance(Duration::from_secs(1));
        let validated = self.app.admin(Method::POST, &format!("{BASE}/{}/validate", self.id), None).await;
        assert_eq!(validated.json()["integration"]["validationStatus"], "valid", "{}", validated.text);
    }

    async fn tools(&self, query: &str) -> Vec<Value> {
        let reply =
            self.app.admin(Method::GET, &format!("{BASE}/{}/tools?limit=200{query}", self.id), None).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        reply.json()["items"].as_array().unwrap().clone()
    }

    async fn tool(&self, name: &str) -> Option<Value> {
        self.tools("").await.into_iter().find(|tool| tool["name"] == name)
    }

    async fn decide(&self, name: &str, decision: &str) -> Reply {
        let id = self.tool(name).await.unwrap()["id"].as_str().unwrap().to_owned();
        self.app.admin(Method::POST, &format!("{BASE}/{}/tools/{id}/{decision}", self.id), None).await
    }

    async fn status(&self, name: &str) -> String {
        let tool = self.tool(name).await.unwrap();
        assert_eq!(tool["offered"], tool["status"] == "approved");
        tool["status"].as_str().unwrap().to_owned()
    }

    async fn approve_all(&self) {
        for tool in self.tools("&status=new").await {
            let approved = self.decide(tool["name"].as_str().unwrap(), "approve").await;
            assert_eq!(approved.json()["tool"]["status"], "approved", "{}", approved.text);
        }
    }
}

fn definition(description: &str) -> Value {
    json!({ "name": "drifting", "description": description,
            "inputSchema": { "type": "object", "properties": { "q": { "type": "string" } } } })
}

#[tokio::test]
async fn under_auto_every_found_tool_is_offered_at_once() {
    let registry = Registry::start("auto").await;
    registry.stub.set_tool(definition("one"));
    registry.probe().await;
    assert_eq!(registry.status("drifting").await, "approved");
    let id = registry.tool("drifting").await.unwrap()["id"].clone();
    registry.stub.set_tool(definition("two"));
    registry.probe().await;
    let tool = registry.tool("drifting").await.unwrap();
    assert_eq!((&tool["definition"]["description"], &tool["id"]), (&json!("two"), &id));
    assert!(registry.stub.remove_tool("drifting"));
    registry.probe().await;
    assert_eq!(registry.tool("drifting").await, None);
}

#[tokio::test]
async fn under_review_only_approved_tools_are_offered() {
    let registry = Registry::start("review").await;
    assert_eq!(registry.tools("&status=approved").await, Vec::<Value>::new());
    registry.approve_all().await;
    registry.stub.set_tool(definition("one"));
    registry.probe().await;
    assert_eq!(registry.status("drifting").await, "new");
    // A new tool that changes again before its review has one definition: the newest.
    registry.stub.set_tool(definition("two"));
    registry.probe().await;
    let tool = registry.tool("drifting").await.unwrap();
    assert_eq!((&tool["status"], &tool["definition"]["description"]), (&json!("new"), &json!("two")));
    assert_eq!((tool.get("found"), tool.get("approvedAt")), (None, None));
    registry.decide("drifting", "approve").await;
    assert_eq!(registry.status("drifting").await, "approved");

    let mut changed = definition("two");
    changed["inputSchema"]["properties"]["q"]["type"] = json!("number");
    changed["inputSchema"]["required"] = json!(["q"]);
    registry.stub.set_tool(changed);
    registry.probe().await;
    registry.probe().await;
    let tool = registry.tool("drifting").await.unwrap();
    assert_eq!(tool["status"], "changed");
    assert_eq!(tool["definition"]["inputSchema"]["properties"]["q"]["type"], "string");
    assert_eq!(tool["found"]["inputSchema"]["properties"]["q"]["type"], "number");
    assert_eq!(
        tool["diff"],
        json!([
            { "path": "/inputSchema/properties/q/type", "change": "changed", "before": "string", "after": "number" },
            { "path": "/inputSchema/required", "change": "added", "after": ["q"] },
        ])
    );
    let approved = registry.decide("drifting", "approve").await.json()["tool"].clone();
    assert_eq!((&approved["status"], &approved["diff"]), (&json!("approved"), &json!([])));
    assert_eq!(approved["definition"]["inputSchema"]["properties"]["q"]["type"], "number");
    assert!(approved.get("found").is_none());
}

#[tokio::test]
async fn a_tool_that_returns_to_its_approved_definition_is_approved() {
    let registry = Registry::start("review").await;
    registry.stub.set_tool(definition("one"));
    registry.probe().await;
    registry.approve_all().await;
    let rest = registry.tools("").await.len();
    for other in [definition("two"), definition("one")] {
        registry.stub.set_tool(other.clone());
        registry.probe().await;
        let expected = if other["description"] == "one" { "approved" } else { "changed" };
        assert_eq!(registry.status("drifting").await, expected);
    }
    registry.stub.remove_tool("drifting");
    registry.probe().await;
    assert_eq!(registry.status("drifting").await, "removed");
    assert_eq!(registry.decide("drifting", "reject").await.status, StatusCode::CONFLICT);
    registry.stub.set_tool(definition("one"));
    registry.probe().await;
    assert_eq!(registry.status("drifting").await, "approved");
    registry.stub.remove_tool("drifting");
    registry.probe().await;
    let forgotten = registry.decide("drifting", "approve").await;
    assert_eq!(forgotten.status, StatusCode::OK, "{}", forgotten.text);
    assert_eq!(registry.tools("").await.len(), rest - 1);
}

#[tokio::test]
async fn a_rejected_tool_stays_hidden_until_it_changes_again() {
    for policy in ["auto", "review"] {
        let registry = Registry::start(policy).await;
        registry.stub.set_tool(definition("bad"));
        registry.probe().await;
        let rejected = registry.decide("drifting", "reject").await;
        assert_eq!(rejected.json()["tool"]["status"], "rejected", "{}", rejected.text);
        registry.stub.set_tool(json!({ "name": "unrelated", "inputSchema": {} }));
        registry.probe().await;
        assert_eq!(registry.status("drifting").await, "rejected", "{policy}: another tool's change");
        registry.stub.set_tool(definition("better"));
        registry.probe().await;
        let expected = if policy == "auto" { "approved" } else { "new" };
        assert_eq!(registry.status("drifting").await, expected, "{policy}");
        registry.stub.set_tool(definition("bad"));
        registry.probe().await;
        assert_eq!(registry.status("drifting").await, "rejected", "{policy}: the rejected one came back");
        assert_eq!(
            registry.decide("drifting", "approve").await.json()["tool"]["status"],
            "approved",
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_switch_to_auto_offers_the_waiting_tools() {
    let registry = Registry::start("review").await;
    let waiting = registry.tools("&status=new").await.len();
    assert!(waiting > 0);
    registry
        .app
        .admin(Method::PATCH, &format!("{BASE}/{}", registry.id), json!({ "toolPolicy": "auto" }))
        .await;
    registry.app.settle().await;
    assert_eq!(registry.tools("&status=approved").await.len(), waiting);
}

#[tokio::test]
async fn pages_cover_every_tool_once_and_bad_queries_are_refused() {
    let registry = Registry::start("auto").await;
    let all = registry.tools("").await.len();
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{BASE}/{}/tools?limit=3&cursor={cursor}", registry.id);
        let page = registry.app.admin(Method::GET, &path, None).await.json();
        for tool in page["items"].as_array().unwrap() {
            assert!(seen.insert(tool["name"].as_str().unwrap().to_owned()));
        }
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen.len(), all);
    for query in ["status=fine", "limit=0", "limit=201", "cursor=x"] {
        let reply =
            registry.app.admin(Method::GET, &format!("{BASE}/{}/tools?{query}", registry.id), None).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
    }
    let unknown = format!("{BASE}/{}/tools/{}/approve", registry.id, "0".repeat(24));
    assert_eq!(registry.app.admin(Method::POST, &unknown, None).await.status, StatusCode::NOT_FOUND);
}
