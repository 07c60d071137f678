//! Legacy sessions on both sides: between an agent and Postern, and between Postern and an upstream.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use black_box::{Postern, mcp};
use serde_json::json;
use stub_upstream::Stub;
use tokio::sync::OnceCell;

use crate::{
    agent_by_hand::{Agent, Legacy, Modern},
    fixtures,
};

async fn postern() -> Result<&'static Postern> {
    static POSTERN: OnceCell<Postern> = OnceCell::const_new();
    POSTERN.get_or_try_init(fixtures::postern).await
}

async fn legacy_upstream(name: &str) -> Result<(Stub, String)> {
    let stub = fixtures::stub()?;
    let integration = postern().await?.register(name, &stub.url("/legacy")).await?;
    stub.forget_requests();
    Ok((stub, integration.path()))
}

fn handshakes(stub: &Stub) -> usize {
    stub.requests().iter().filter(|request| request.rpc_method().as_deref() == Some("initialize")).count()
}

fn sessions(stub: &Stub) -> BTreeSet<String> {
    fixtures::calls(stub).iter().filter_map(|call| call.header("mcp-session-id").map(str::to_owned)).collect()
}

#[tokio::test]
async fn initialize_mints_a_session_that_nobody_can_guess() -> Result<()> {
    let api = postern().await?.admin()?;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let (session, _) = mcp::initialize(&api, "/mcp").await?;
        let session = session.context("initialize minted no session")?;
        assert!(session.len() >= 22 && session.bytes().all(|byte| byte.is_ascii_graphic()), "{session}");
        assert!(seen.insert(session), "the same session twice");
    }
    Ok(())
}

/// MCP: a request with a session id that the server does not know is answered with 404, and the client starts over.
#[tokio::test]
async fn a_forged_or_altered_session_is_404() -> Result<()> {
    let agent = Agent::open(Legacy, postern().await?.admin()?, "/mcp").await?;
    let real = agent.session.clone().context("no session")?;
    let mut flipped = real.clone();
    let last = if flipped.pop() == Some('A') { 'B' } else { 'A' };
    // The last character of base64 may carry unused bits; a character in the middle never does.
    flipped.push(last);
    let mut middle = real.clone().into_bytes();
    middle[real.len() / 2] = if middle[real.len() / 2] == b'A' { b'B' } else { b'A' };
    let middle = String::from_utf8(middle)?;
    for forged in ["forged", middle.as_str(), &real[..real.len() - 4], &format!("{flipped}AAAA")] {
        let request =
            agent.request(json!(1), "tools/list", json!({}))?.with_header("mcp-session-id", forged)?;
        let reply = request.send(&agent.api, "/mcp").await?;
        assert_eq!(reply.http.status, 404, "{forged}: {}", reply.http.text);
    }
    agent.send(json!(2), "tools/list", json!({})).await?.result(&json!(2))?;
    Ok(())
}

#[tokio::test]
async fn a_session_belongs_to_the_caller_that_opened_it() -> Result<()> {
    let postern = postern().await?;
    let agent = Agent::open(Legacy, postern.admin()?, "/mcp").await?;
    let other = postern.caller(&postern.insert_key("other admin", &["admin"], None).await?)?;
    let reply = agent.request(json!(1), "tools/list", json!({}))?.send(&other, "/mcp").await?;
    assert_eq!(reply.http.status, 404, "{}", reply.http.text);
    Ok(())
}

/// A handshake costs two round trips, so the calls of one caller share a session.
#[tokio::test]
async fn calls_of_one_caller_share_an_upstream_session() -> Result<()> {
    for era in [Legacy, Modern] {
        let (stub, path) = legacy_upstream(&format!("Shared {era:?}")).await?;
        let agent = Agent::open(era, postern().await?.admin()?, &path).await?;
        for id in 0..5 {
            agent.call(json!(id), "echo", json!({"message": "x"})).await?.result(&json!(id))?;
        }
        assert_eq!(fixtures::calls(&stub).len(), 5);
        assert!(handshakes(&stub) <= 1, "{} handshakes for five calls", handshakes(&stub));
        assert_eq!(sessions(&stub).len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn two_callers_never_share_an_upstream_session() -> Result<()> {
    let postern = postern().await?;
    let (stub, path) = legacy_upstream("Two callers").await?;
    let second = postern.insert_key("second caller", &["admin"], None).await?;
    for api in [postern.admin()?, postern.caller(&second)?] {
        let agent = Agent::open(Modern, api, &path).await?;
        agent.call(json!(1), "echo", json!({"message": "x"})).await?.result(&json!(1))?;
    }
    assert_eq!(sessions(&stub).len(), 2, "{:?}", sessions(&stub));
    Ok(())
}

/// The upstream refused the call with 404 and did not run it, so a second try after a new handshake is safe.
#[tokio::test]
async fn a_session_that_the_upstream_forgot_is_opened_again_unseen() -> Result<()> {
    for era in [Legacy, Modern] {
        let (stub, path) = legacy_upstream(&format!("Forgetful {era:?}")).await?;
        let agent = Agent::open(era, postern().await?.admin()?, &path).await?;
        for id in 0..3 {
            let reply = agent.call(json!(id), "echo", json!({"message": "still here"})).await?;
            assert_eq!(mcp::text(reply.result(&json!(id))?), "Echo: still here", "{era:?}");
            stub.forget_sessions();
        }
        assert_eq!(sessions(&stub).len(), 3);
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_without_sessions_is_called_without_one() -> Result<()> {
    let stub = fixtures::stub()?;
    let integration = postern().await?.register("Stateless", &stub.url("/legacy?stateless=1")).await?;
    let agent = Agent::open(Modern, postern().await?.admin()?, &integration.path()).await?;
    agent.call(json!(1), "echo", json!({"message": "x"})).await?.result(&json!(1))?;
    let call = fixtures::calls(&stub).pop().context("no call")?;
    assert_eq!(call.header("mcp-session-id"), None);
    assert_eq!(call.header("mcp-protocol-version"), Some(mcp::LEGACY));
    Ok(())
}
