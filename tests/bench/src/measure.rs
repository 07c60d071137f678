//! The warm measurements: all targets in turn, round after round, so that the machine's moods hit all alike.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    args::Args,
    load::{self, Burst},
    postern::{self as gateway, Secrets},
    processes::Process,
    target::{Era, Target},
};

/// Postern gathers audit rows for at most a second: what a burst left behind must not weigh on the next target.
const AUDIT_PAUSE: Duration = Duration::from_millis(1300);

/// What a run found out.
pub(crate) struct Warm {
    pub(crate) measured: Vec<Measured>,
    pub(crate) memory: Memory,
    pub(crate) audit: Option<Audit>,
    pub(crate) state: State,
}

/// What the cold starts build upon: the upstream, and Postern's database with its secrets.
pub(crate) struct State {
    pub(crate) upstream: Process,
    pub(crate) secrets: Secrets,
    pub(crate) postern: TempDir,
    pub(crate) passthrough: TempDir,
}

/// Resident bytes of the workerd processes and of Spin's test host, before and after the load.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) postern: [Option<u64>; 2],
    pub(crate) passthrough: [Option<u64>; 2],
    pub(crate) spin: [Option<u64>; 2],
}

/// Whether the audit kept up.
pub(crate) struct Audit {
    pub(crate) calls: u64,
    pub(crate) rows: u64,
}

/// One target at one concurrency: medians over the rounds.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) concurrency: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) rate: f64,
    /// Processor time of the answering process per request, in microseconds.
    pub(crate) cpu: Option<f64>,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

/// Starts everything, measures, and stops what need not stay.
pub(crate) async fn run(args: &Args) -> Result<Warm> {
    let state = State {
        upstream: Process::upstream().await?,
        secrets: Secrets::new()?,
        postern: tempfile::tempdir()?,
        passthrough: tempfile::tempdir()?,
    };
    let upstream = state.upstream.url()?.to_owned();
    let passthrough = gateway::start_passthrough(args, &upstream, state.passthrough.path()).await?;
    let mut targets = floor(&state.upstream, &passthrough).await?;
    let mut postern = None;
    if !args.floor_only {
        let mut process =
            gateway::start(args, &state.secrets, state.postern.path(), true).await.context("Postern")?;
        let integration = gateway::set_up(&mut process, &state.secrets, &upstream).await?;
        targets.extend(product(&process, &state.secrets, &integration, &ON_WORKERD).await?);
        postern = Some(process);
    }
    let (mut spin, spin_state) = (None, tempfile::tempdir()?);
    if let Some(host) = args.spin_host.as_ref().filter(|_| !args.floor_only) {
        let mut process = gateway::start_on_spin(args, host, &state.secrets, spin_state.path()).await?;
        let integration = gateway::set_up(&mut process, &state.secrets, &upstream).await?;
        targets.extend(product(&process, &state.secrets, &integration, &ON_SPIN).await?);
        spin = Some(process);
    }
    targets.retain(|target| args.wants(target.name));
    let targets: Vec<_> = targets.into_iter().map(Rc::new).collect();

    let of = |process: &Option<Process>| process.as_ref().and_then(Process::rss);
    let rss = || (of(&postern), passthrough.rss(), of(&spin));
    let idle = rss();
    let mut calls = 0;
    let measured = rounds(args, &targets, &mut calls).await?;
    let loaded = rss();
    let memory =
        Memory { postern: [idle.0, loaded.0], passthrough: [idle.1, loaded.1], spin: [idle.2, loaded.2] };

    let mut audit = None;
    let mut posterns: Vec<Process> = postern.into_iter().chain(spin).collect();
    if !posterns.is_empty() {
        audit = Some(Audit { calls, rows: audit_rows(&mut posterns, calls).await? });
    }
    for process in posterns {
        process.stop().await?;
    }
    passthrough.stop().await?;
    Ok(Warm { measured, memory, audit, state })
}

/// The targets that Postern is compared with.
async fn floor(upstream: &Process, passthrough: &Process) -> Result<Vec<Target>> {
    let modern = |name, at| Target::echo(name, at, "/modern", Era::Modern, "echo");
    let legacy = |name, at| Target::echo(name, at, "/legacy", Era::Legacy, "echo");
    Ok(vec![
        modern("direct_call_modern", upstream)?,
        modern("passthrough_call_modern", passthrough)?,
        legacy("direct_call_legacy", upstream)?.handshake().await?,
        legacy("passthrough_call_legacy", passthrough)?.handshake().await?,
    ])
}

/// Names of the targets that Postern is: a modern call, a legacy call, a list, a read.
type Names = [&'static str; 4];
const ON_WORKERD: Names =
    ["postern_call_modern", "postern_call_legacy", "postern_list", "postern_get_integration"];
const ON_SPIN: Names = ["spin_call_modern", "spin_call_legacy", "spin_list", "spin_get_integration"];

/// The targets that Postern is on one runtime.
async fn product(
    postern: &Process,
    secrets: &Secrets,
    integration: &str,
    [modern, legacy, list, get]: &Names,
) -> Result<Vec<Target>> {
    let agent = format!("Bearer {}", secrets.agent.text);
    let admin = format!("Bearer {}", secrets.admin.text);
    let echo = |name, era, tool| {
        let target = Target::echo(name, postern, "/mcp", era, tool)?;
        anyhow::Ok(target.header("authorization", &agent)?.audited())
    };
    Ok(vec![
        echo(modern, Era::Modern, "modern__echo")?,
        echo(legacy, Era::Legacy, "legacy__echo")?.handshake().await?,
        Target::list(list, postern, "/mcp", gateway::TOOLS)?.header("authorization", &agent)?,
        Target::integration(get, postern, integration)?.header("authorization", &admin)?,
    ])
}

async fn rounds(args: &Args, targets: &[Rc<Target>], calls: &mut u64) -> Result<Vec<Measured>> {
    // Until a function has run some thousand times, the engine has not compiled it for speed.
    eprintln!("warming up");
    for target in targets {
        let burst = load::burst(target, 8, args.first_warm_up).await?;
        if target.audited {
            *calls += burst.count();
        }
    }
    tokio::time::sleep(AUDIT_PAUSE).await;
    let mut measured = Vec::new();
    for &concurrency in &args.concurrency {
        let mut bursts: BTreeMap<usize, Vec<Burst>> = BTreeMap::new();
        for round in 1..=args.rounds {
            eprintln!("concurrency {concurrency}, round {round} of {}", args.rounds);
            for (number, target) in targets.iter().enumerate() {
                let warm_up = load::burst(target, concurrency, args.warm_up).await?;
                let burst = load::burst(target, concurrency, args.measured).await?;
                if target.audited {
                    *calls += warm_up.count() + burst.count();
                    tokio::time::sleep(AUDIT_PAUSE).await;
                }
                bursts.entry(number).or_default().push(burst);
            }
        }
        for (target, (_, bursts)) in targets.iter().zip(bursts) {
            measured.push(summarize(target.name, concurrency, bursts));
        }
    }
    Ok(measured)
}

/// Medians over the bursts of all rounds.
pub(crate) fn summarize(name: &'static str, concurrency: usize, mut bursts: Vec<Burst>) -> Measured {
    Measured {
        name,
        concurrency,
        p50: median(bursts.iter_mut().map(|burst| burst.quantile(0.5)).collect()),
        p99: median(bursts.iter_mut().map(|burst| burst.quantile(0.99)).collect()),
        rate: median(bursts.iter().map(Burst::rate).collect()),
        cpu: bursts.iter().map(Burst::cpu).collect::<Option<_>>().map(median),
        requests: bursts.iter().map(Burst::count).sum(),
        errors: bursts.iter().map(|burst| burst.errors).sum(),
        first_error: bursts.into_iter().find_map(|burst| burst.first_error),
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = values.get(half).copied().unwrap_or(f64::NAN);
    match half.checked_sub(1).and_then(|lower| values.get(lower)) {
        Some(lower) if values.len().is_multiple_of(2) => lower.midpoint(upper),
        _ => upper,
    }
}

/// Counts the audit rows of all Posterns, with some patience for the last ones.
async fn audit_rows(posterns: &mut [Process], calls: u64) -> Result<u64> {
    let mut rows = 0;
    for _ in 0..50 {
        rows = 0;
        for postern in posterns.iter_mut() {
            let counted = postern
                .sql("SELECT count(*) AS n FROM audit_events WHERE event_kind = 'mcp_tool_call'", &[])
                .await?;
            let count = counted.first().and_then(|row| row.get("n")).and_then(Value::as_u64);
            rows += count.context("no count")?;
        }
        if rows >= calls {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(Vec::new()).is_nan());
    }
}
