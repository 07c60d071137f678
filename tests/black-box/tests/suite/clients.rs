//! Every agent × every upstream × both kinds of endpoint: the agent lists exactly the upstream's tools, and a call
//! brings every progress notification and the result, whatever eras the agent and the upstream speak.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use black_box::{
    Integration, Postern,
    agent::{Agent, Mode, Progress, Report, Task},
    mcp,
};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::fixtures::{self, prefixed};

struct World {
    postern: Postern,
    everything: Integration,
    everything_tools: BTreeSet<String>,
    python: Integration,
    python_tools: BTreeSet<String>,
}

async fn world() -> Result<&'static World> {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_try_init(async || {
            let (everything, python) = (fixtures::everything().await?, fixtures::python().await?);
            let postern = fixtures::postern().await?;
            Ok(World {
                everything: postern.register("Everything", everything.url()).await?,
                everything_tools: fixtures::tools_of(everything.url()).await?,
                python: postern.register("Python Reference", python.url()).await?,
                python_tools: fixtures::tools_of(python.url()).await?,
                postern,
            })
        })
        .await
}

/// A call of server-everything's tool that reports progress.
pub(crate) fn everything_task<'t>(url: &'t str, key: &'t str, prefix: &str) -> Task<'t> {
    let tool = match prefix {
        "" => "trigger-long-running-operation",
        _ => "everything__trigger-long-running-operation",
    };
    Task { url, key, tool, arguments: json!({"duration": 0.3, "steps": 3}) }
}

/// A call of the Python server's tool that reports progress.
pub(crate) fn python_task<'t>(url: &'t str, key: &'t str, prefix: &str) -> Task<'t> {
    let tool = match prefix {
        "" => "test_tool_with_progress",
        _ => "python-reference__test_tool_with_progress",
    };
    Task { url, key, tool, arguments: json!({}) }
}

/// Checks an agent's report about server-everything.
pub(crate) fn check_everything(agent: Agent, report: &Report, tools: &BTreeSet<String>) -> Result<()> {
    let text = "Long running operation completed. Duration: 0.3 seconds, Steps: 3.";
    ensure!(mcp::text(&report.result) == text, "{agent}: {}", report.result);
    check(agent, report, tools, &[(1.0, 3.0), (2.0, 3.0), (3.0, 3.0)])
}

/// Checks an agent's report about the Python server, whose tool returns the id of the request that it was called
/// with.
pub(crate) fn check_python(agent: Agent, report: &Report, tools: &BTreeSet<String>) -> Result<()> {
    let text = mcp::text(&report.result);
    ensure!(!text.is_empty() && report.result["isError"] != true, "{agent}: {}", report.result);
    ensure!(report.result["structuredContent"] == json!({"result": text}), "{agent}: {}", report.result);
    check(agent, report, tools, &[(0.0, 100.0), (50.0, 100.0), (100.0, 100.0)])
}

fn check(agent: Agent, report: &Report, tools: &BTreeSet<String>, progress: &[(f64, f64)]) -> Result<()> {
    let listed: BTreeSet<_> = report.tools.iter().cloned().collect();
    ensure!(listed.len() == report.tools.len(), "{agent} lists a tool twice: {:?}", report.tools);
    ensure!(&listed == tools, "{agent} lists {listed:?}, not {tools:?}");
    if let Some(seen) = &report.progress {
        let expected: Vec<_> =
            progress.iter().map(|&(progress, total)| Progress { progress, total: Some(total) }).collect();
        ensure!(*seen == expected, "{agent} saw progress {seen:?}");
    }
    Ok(())
}

async fn through_postern(agent: Agent) -> Result<()> {
    let world = world().await?;
    let key = world.postern.admin_key();
    let everything = prefixed(&world.everything.slug, &world.everything_tools);
    let all = everything.union(&prefixed(&world.python.slug, &world.python_tools)).cloned().collect();
    let aggregate = world.postern.url("/mcp");
    let everything_url = world.postern.url(&world.everything.path());
    let python_url = world.postern.url(&world.python.path());

    let runs = [
        agent.run(&everything_task(&everything_url, key, "")).await?,
        agent.run(&everything_task(&aggregate, key, "everything")).await?,
        agent.run(&python_task(&python_url, key, "")).await?,
        agent.run(&python_task(&aggregate, key, "python-reference")).await?,
    ];
    check_everything(agent, &runs[0], &world.everything_tools)?;
    check_everything(agent, &runs[1], &all)?;
    check_python(agent, &runs[2], &world.python_tools)?;
    check_python(agent, &runs[3], &all)?;
    for report in &runs {
        // Postern speaks both eras whatever the upstream speaks, so the agent's preference alone decides.
        if let Some(protocol) = &report.protocol {
            ensure!(protocol == agent.protocol(), "{agent} negotiated {protocol}");
        }
    }
    Ok(())
}

/// Defines the list of agents, and a test for each agent.
macro_rules! agents {
    ($($name:ident: $agent:expr,)+) => {
        /// Every agent in every mode that the agent has.
        pub(crate) const AGENTS: &[Agent] = &[$($agent),+];

        $(
            #[tokio::test]
            async fn $name() -> Result<()> {
                through_postern($agent).await
            }
        )+
    };
}

agents! {
    typescript_sdk_1_lists_and_calls: Agent::TypeScript1,
    typescript_client_2_legacy_lists_and_calls: Agent::TypeScript2(Mode::Legacy),
    typescript_client_2_auto_lists_and_calls: Agent::TypeScript2(Mode::Auto),
    typescript_client_2_modern_lists_and_calls: Agent::TypeScript2(Mode::Modern),
    python_legacy_lists_and_calls: Agent::Python(Mode::Legacy),
    python_auto_lists_and_calls: Agent::Python(Mode::Auto),
    python_modern_lists_and_calls: Agent::Python(Mode::Modern),
    rust_legacy_lists_and_calls: Agent::Rust(Mode::Legacy),
    rust_auto_lists_and_calls: Agent::Rust(Mode::Auto),
    rust_modern_lists_and_calls: Agent::Rust(Mode::Modern),
    inspector_legacy_lists_and_calls: Agent::Inspector(Mode::Legacy),
    inspector_auto_lists_and_calls: Agent::Inspector(Mode::Auto),
    inspector_modern_lists_and_calls: Agent::Inspector(Mode::Modern),
}
