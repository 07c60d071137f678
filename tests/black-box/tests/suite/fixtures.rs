//! What the subjects share: upstreams that start once per run, and requests to an upstream without Postern.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result};
use black_box::{
    Postern, Runtime, Settings, Upstream,
    api::Api,
    mcp::{self, Request},
};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};
use tokio::{sync::OnceCell, time::Instant};

/// server-everything, a legacy server.
pub(crate) async fn everything() -> Result<&'static Upstream> {
    static UPSTREAM: OnceCell<Upstream> = OnceCell::const_new();
    UPSTREAM.get_or_try_init(Upstream::everything).await
}

/// The Python SDK's everything-server, a dual-era server.
pub(crate) async fn python() -> Result<&'static Upstream> {
    static UPSTREAM: OnceCell<Upstream> = OnceCell::const_new();
    UPSTREAM.get_or_try_init(Upstream::python_reference).await
}

/// A stub for one test alone.
pub(crate) fn stub() -> Result<Stub> {
    Upstream::stub(Options::default())
}

/// A Postern for one test alone, with the usual settings.
pub(crate) async fn postern() -> Result<Postern> {
    postern_with(Settings::new()?).await
}

/// A Postern for one test alone.
pub(crate) async fn postern_with(settings: Settings) -> Result<Postern> {
    Postern::start(Runtime::under_test()?, settings).await
}

/// Waits until another request sees a change: on workerd at once, because one instance serves all requests; on Spin,
/// where every component is an instance of its own, within the five seconds for which an instance may remember (plus
/// one second for a busy machine).
pub(crate) async fn seen<T>(
    postern: &Postern,
    what: &str,
    mut poll: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let patience = match postern.runtime() {
        Runtime::Workerd => Duration::ZERO,
        Runtime::Spin => Duration::from_secs(6),
    };
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = poll().await? {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what}: not so within {patience:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The names of the tools that a server lists when it is asked directly, in the legacy era.
pub(crate) async fn tools_of(url: &str) -> Result<BTreeSet<String>> {
    let api = Api::to(url)?;
    let (session, _) = mcp::initialize(&api, "").await?;
    list(&api, "", |cursor| Request::legacy(session.as_deref(), json!(1), "tools/list", cursor)).await
}

/// The names of all tools behind `path`, over all pages, in the modern era.
pub(crate) async fn modern_tools(api: &Api, path: &str) -> Result<BTreeSet<String>> {
    list(api, path, |cursor| Request::modern(json!(1), "tools/list", cursor)).await
}

/// The names of all tools behind `path`, over all pages, in the legacy era.
pub(crate) async fn legacy_tools(api: &Api, path: &str) -> Result<BTreeSet<String>> {
    let (session, _) = mcp::initialize(api, path).await?;
    list(api, path, |cursor| Request::legacy(session.as_deref(), json!(1), "tools/list", cursor)).await
}

async fn list(api: &Api, path: &str, request: impl Fn(Value) -> Result<Request>) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut params = json!({});
    for _ in 0..100 {
        let reply = request(params)?.send(api, path).await?;
        let page = reply.result(&json!(1))?;
        for tool in page["tools"].as_array().context("no list of tools")? {
            let name = tool["name"].as_str().context("a tool without a name")?;
            anyhow::ensure!(names.insert(name.to_owned()), "{name} is listed twice");
        }
        match page.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return Ok(names),
        }
    }
    anyhow::bail!("more than 100 pages")
}

/// `slug__tool` for every tool.
pub(crate) fn prefixed(slug: &str, tools: &BTreeSet<String>) -> BTreeSet<String> {
    tools.iter().map(|tool| format!("{slug}__{tool}")).collect()
}

/// The headers and body of the tool calls that a stub received, oldest first.
pub(crate) fn calls(stub: &Stub) -> Vec<stub_upstream::Recorded> {
    let mut requests = stub.requests();
    requests.retain(|request| request.rpc_method().as_deref() == Some("tools/call"));
    requests
}
