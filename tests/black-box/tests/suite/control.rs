//! The control: every agent reaches every upstream whose era it speaks, without Postern in between. When this fails,
//! the peers are broken, and the other subjects prove nothing about Postern.

use anyhow::Result;
use black_box::agent::{Agent, Mode, Task};

use crate::{clients, fixtures};

/// A dual-era server: every agent in every mode reaches it.
#[tokio::test]
async fn every_agent_works_against_the_python_server_itself() -> Result<()> {
    let url = fixtures::python().await?.url();
    let tools = fixtures::tools_of(url).await?;
    for &agent in clients::AGENTS {
        let report = agent.run(&clients::python_task(url, "unused", "")).await?;
        clients::check_python(agent, &report, &tools)?;
    }
    Ok(())
}

/// A legacy server: agents that insist on the modern era fail without Postern, which bridges the eras.
#[tokio::test]
async fn legacy_agents_work_against_server_everything_itself_and_modern_ones_do_not() -> Result<()> {
    let url = fixtures::everything().await?.url();
    let tools = fixtures::tools_of(url).await?;
    for agent in [
        Agent::TypeScript1,
        Agent::TypeScript2(Mode::Auto),
        Agent::Python(Mode::Auto),
        Agent::Rust(Mode::Auto),
    ] {
        let report = agent.run(&clients::everything_task(url, "unused", "")).await?;
        clients::check_everything(agent, &report, &tools)?;
        assert_eq!(report.protocol.as_deref(), Some(black_box::mcp::LEGACY), "{agent}");
    }
    let task: Task<'_> = clients::everything_task(url, "unused", "");
    assert!(Agent::Python(Mode::Modern).run(&task).await.is_err());
    Ok(())
}
