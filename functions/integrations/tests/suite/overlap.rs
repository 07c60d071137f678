//! Overlapping probes of one integration: the result of the probe that began last counts, whichever probe ends first.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use kernel::ports::{Fetch, FetchError, Outgoing, Statement, UpstreamResponse};
use native::App;
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};
use tokio::sync::Notify;

const BASE: &str = "/api/v1/integrations";

/// Holds back the upstream's answer to the next request with a given method.
struct Held {
    inner: Rc<dyn Fetch>,
    method: Cell<Option<&'static str>>,
    reached: Notify,
    release: Notify,
}

#[async_trait(?Send)]
impl Fetch for Held {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let is_held = self.method.get().is_some_and(|method| body.contains(method));
        let response = self.inner.fetch(request).await;
        if is_held {
            self.method.set(None);
            self.reached.notify_one();
            self.release.notified().await;
        }
        response
    }
}

struct World {
    app: App,
    held: Rc<Held>,
    stub: Stub,
}

impl World {
    fn new() -> Self {
        let mut app = App::new(integrations::families(), &[]);
        let held = Rc::new(Held {
            inner: app.platform.fetcher.clone(),
            method: Cell::new(None),
            reached: Notify::new(),
            release: Notify::new(),
        });
        app.platform.ports.fetcher = held.clone();
        Self { app, held, stub: Stub::start(Options::default()).unwrap() }
    }

    /// Creates an integration and returns its path; its first probe runs in `settle`.
    async fn create(&self, policy: &str) -> String {
        let body = json!({ "name": "Upstream", "url": self.stub.url("/modern"), "toolPolicy": policy });
        let created = self.app.admin(Method::POST, BASE, body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
        format!("{BASE}/{}", created.json()["integration"]["id"].as_str().unwrap())
    }

    async fn validate(&self, path: &str) -> Value {
        let validated = self.app.admin(Method::POST, &format!("{path}/validate"), None).await;
        assert_eq!(validated.status, StatusCode::OK, "{}", validated.text);
        validated.json()["integration"].clone()
    }

    async fn read(&self, path: &str) -> Value {
        self.app.admin(Method::GET, path, None).await.json()["integration"].clone()
    }

    /// Starts the first probe, holds it back at `method`, and lets it end only after a second probe, which finds the
    /// upstream as `change` leaves it. Returns the integration after the second probe, and after both.
    async fn overtake(&self, path: &str, method: &'static str, change: impl FnOnce()) -> (Value, Value) {
        self.held.method.set(Some(method));
        let second = async {
            self.held.reached.notified().await;
            self.app.clock.advance(Duration::from_secs(1));
            change();
            let found = self.validate(path).await;
            self.held.release.notify_one();
            found
        };
        let ((), found) = tokio::join!(self.app.settle(), second);
        (found, self.read(path).await)
    }
}

const BROKEN: Option<StatusCode> = Some(StatusCode::INTERNAL_SERVER_ERROR);

#[tokio::test]
async fn an_older_success_does_not_hide_a_newer_failure() {
    let world = World::new();
    let path = world.create("auto").await;
    let (newer, last) = world.overtake(&path, "tools/list", || world.stub.break_with(BROKEN)).await;
    assert_eq!(newer["validationStatus"], "invalid");
    assert_eq!(last, newer);
    assert_eq!(last["consecutiveFailures"], 1);
    assert_eq!(world.app.database.count("catalogue_entries"), 0, "the older catalogue is not stored");
}

#[tokio::test]
async fn an_older_failure_does_not_hide_a_newer_success() {
    let world = World::new();
    let path = world.create("auto").await;
    world.stub.break_with(BROKEN);
    let (newer, last) = world.overtake(&path, "server/discover", || world.stub.break_with(None)).await;
    assert_eq!(newer["validationStatus"], "valid");
    assert_eq!(last, newer);
    assert_eq!(last["consecutiveFailures"], 0);
}

#[tokio::test]
async fn an_older_catalogue_does_not_replace_a_newer_one() {
    let world = World::new();
    let path = world.create("auto").await;
    let tool = json!({ "name": "newest", "inputSchema": {} });
    let (_, last) = world.overtake(&path, "tools/list", || world.stub.set_tool(tool)).await;
    let named = "SELECT name FROM catalogue_entries WHERE name = 'newest' AND status = 'approved'";
    assert_eq!(world.app.rows(named).await.unwrap().len(), 1);
    let count = world.app.database.count("catalogue_entries");
    assert!(last["validationMessage"].as_str().unwrap().ends_with(&format!("{count} tools")), "{last}");
}

/// A policy that is set while a probe runs applies to the tools that the probe finds, also if none of them is new.
#[tokio::test]
async fn a_policy_that_changes_during_a_probe_is_applied() {
    let world = World::new();
    let path = world.create("review").await;
    world.app.settle().await;
    let waiting = "SELECT id FROM catalogue_entries WHERE status = 'new'";
    assert!(!world.app.rows(waiting).await.unwrap().is_empty());
    world.app.clock.advance(Duration::from_secs(1));
    world.held.method.set(Some("tools/list"));
    let decide = async {
        world.held.reached.notified().await;
        let changed = world.app.admin(Method::PATCH, &path, json!({ "toolPolicy": "auto" })).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
        world.held.release.notify_one();
    };
    let (validated, ()) = tokio::join!(world.validate(&path), decide);
    assert_eq!(validated["validationStatus"], "valid");
    assert!(
        world.app.rows(waiting).await.unwrap().is_empty(),
        "no tool waits for a review under the policy `auto`"
    );
}

/// A `last_validated_at` in the future comes from a clock that ran ahead: later probes replace it.
#[tokio::test]
async fn a_clock_that_is_set_back_blocks_no_validation() {
    let world = World::new();
    let path = world.create("auto").await;
    world.app.settle().await;
    let ahead = Statement::new("UPDATE integrations SET last_validated_at = last_validated_at + 3600000");
    world.app.platform.sql.execute(ahead).await.unwrap();
    world.stub.break_with(BROKEN);
    assert_eq!(world.validate(&path).await["validationStatus"], "invalid");
}
