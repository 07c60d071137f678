//! Upstreams that send too much: answers without end, huge answers, and catalogues at and beyond the limit.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::Upstream;
use serde_json::json;
use stub_upstream::Options;
use tokio::time::Instant;

use super::{lists, message, postern, tried};
use crate::{
    dialects::hoziron,
    fixtures,
    registry::{self, Hoziron, path},
};

const FIFTY_MEGABYTES: u32 = 50_000_000;
/// The most tools that an integration may have.
const MOST_TOOLS: usize = 10_000;
/// The number of the stub's own tools, without its fillers.
const REAL_TOOLS: usize = 7;

#[tokio::test]
async fn a_huge_answer_is_cut_off() -> Result<()> {
    let stub = fixtures::stub()?;
    for (name, shape) in
        [("sized", "chunked=0"), ("chunked", "chunked=1"), ("events", "sse=1"), ("line", "sse=line")]
    {
        let url = stub.url(&format!("/huge?bytes={FIFTY_MEGABYTES}&{shape}"));
        tried(&format!("huge-{name}"), &url, "is larger than").await.with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// A stream of comments without an answer is not silent: a limit on the whole time ends it, and no other request
/// waits for that.
#[tokio::test]
async fn a_stream_that_never_answers_is_ended() -> Result<()> {
    let (postern, stub) = (postern().await?, fixtures::stub()?);
    let healthy = postern.register("Beside the drip", &stub.url("/modern")).await?;
    let client = Hoziron::of(postern)?;
    client.install(json!({"source": {"url": stub.url("/drip")}, "id": "drip"})).await?;
    let begun = Instant::now();
    let start = tokio::spawn(async move { client.act("drip", "start").await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    registry::echo(&postern.admin()?, &healthy.slug, "meanwhile").await?;
    ensure!(!start.is_finished(), "two seconds of comments were already too much");
    let text = hoziron(&start.await??, "ProviderError")?;
    ensure!(text.contains("in time"), "{text}");
    ensure!(begun.elapsed() < Duration::from_secs(45), "it took {:?}", begun.elapsed());
    Ok(())
}

/// As many tools as an integration may have, on a hundred pages: all are found, listed and callable.
#[tokio::test]
async fn ten_thousand_tools_are_found_listed_and_called() -> Result<()> {
    let postern = &fixtures::postern().await?;
    let options =
        Options { extra_tools: MOST_TOOLS - REAL_TOOLS, page_size: Some(100), ..Options::default() };
    let stub = Upstream::stub(options)?;
    let integration = postern.register("Ten thousand", &stub.url("/modern")).await?;
    ensure!(message(&integration.object).contains("10000 tools"), "{}", integration.object);
    ensure!(lists(&stub) >= 100, "{} pages", lists(&stub));
    let admin = postern.admin()?;
    let listed = fixtures::modern_tools(&admin, &integration.path()).await?;
    ensure!(listed.len() == MOST_TOOLS, "{} tools", listed.len());
    let last = format!("tool_{}", MOST_TOOLS - REAL_TOOLS - 1);
    let result = registry::call(&admin, &integration.slug, &last, json!({"query": "q"})).await?;
    ensure!(black_box::mcp::text(&result) == format!("{last} found nothing."), "{result}");

    let client = Hoziron::of(postern)?;
    ensure!(client.status(&integration.slug).await?["tools_count"] == MOST_TOOLS);
    ensure!(client.tools(&integration.slug).await?.len() == MOST_TOOLS);
    let (mut seen, mut query) = (0, "limit=200".to_owned());
    loop {
        let page = admin.get(&format!("{}?{query}", path(&integration.id, "tools"))).await?.expect(200)?;
        seen += page["items"].as_array().context("no items")?.len();
        match page["nextCursor"].as_str() {
            Some(cursor) => query = format!("limit=200&cursor={cursor}"),
            None => break,
        }
    }
    ensure!(seen == MOST_TOOLS, "{seen} tools are on the pages");

    // The same catalogue changes nothing. One tool more is too many, and the stored catalogue stays.
    postern.validate(&integration.id).await?;
    stub.set_tool(json!({"name": "one_more", "inputSchema": {"type": "object"}}));
    let over = postern.validate(&integration.id).await?.object;
    ensure!(over["validationStatus"] == "invalid" && message(&over).contains("too large"), "{over}");
    ensure!(client.status(&integration.slug).await?["tools_count"] == MOST_TOOLS);
    Ok(())
}

#[tokio::test]
async fn a_catalogue_beyond_the_limit_is_refused() -> Result<()> {
    let options =
        Options { extra_tools: MOST_TOOLS - REAL_TOOLS + 1, page_size: Some(500), ..Options::default() };
    let stub = Upstream::stub(options)?;
    tried("too-many", &stub.url("/modern"), "too large").await?;
    Ok(())
}
