//! Cold starts: from starting the processes to the first answer of the Worker, against the same upstream.
//!
//! The time includes Node, Miniflare and workerd itself, which the pass-through Worker pays as well; the
//! difference between the two is what Postern adds.

use std::time::{Duration, Instant};

use anyhow::Result;
use http_body_util::Full;

use crate::{
    args::Args,
    http_client::Connection,
    load::Subject as _,
    measure::{State, median},
    postern,
    processes::Process,
    target::{Era, Target},
};

/// Medians in milliseconds.
pub(crate) struct Cold {
    pub(crate) postern: Option<Start>,
    pub(crate) passthrough: Start,
}

/// One Worker's start.
pub(crate) struct Start {
    /// From starting the process to the end of the first answer.
    pub(crate) total: f64,
    /// From sending the first request to the end of its answer.
    pub(crate) first_request: f64,
}

/// Starts both Workers again and again, in turn.
pub(crate) async fn run(args: &Args, state: &State) -> Result<Option<Cold>> {
    let upstream = state.upstream.url()?;
    let (mut postern, mut passthrough) = (Vec::new(), Vec::new());
    for round in 1..=args.cold_starts {
        eprintln!("cold start {round} of {}", args.cold_starts);
        let begun = Instant::now();
        let process = postern::start_passthrough(args, upstream, state.passthrough.path()).await?;
        let target = Target::echo("passthrough_cold", &process, "/modern", Era::Modern, "echo")?;
        passthrough.push(first_answer(process, target, begun).await?);
        if !args.floor_only {
            let begun = Instant::now();
            let process = postern::start(args, &state.secrets, state.postern.path(), false).await?;
            let agent = format!("Bearer {}", state.secrets.agent.text);
            let target = Target::list("postern_cold", &process, "/mcp", postern::TOOLS)?
                .header("authorization", &agent)?;
            postern.push(first_answer(process, target, begun).await?);
        }
    }
    Ok(summarize(&passthrough).map(|passthrough| Cold { postern: summarize(&postern), passthrough }))
}

async fn first_answer(process: Process, target: Target, begun: Instant) -> Result<(Duration, Duration)> {
    let sent = Instant::now();
    let mut connection = Connection::open(target.authority()).await?;
    let answer = connection.send(target.request(0, 0)?.map(Full::new)).await?;
    let times = (begun.elapsed(), sent.elapsed());
    target.check(0, 0, &answer)?;
    process.stop().await?;
    Ok(times)
}

fn summarize(starts: &[(Duration, Duration)]) -> Option<Start> {
    let milliseconds = |pick: fn(&(Duration, Duration)) -> Duration| {
        median(starts.iter().map(|start| pick(start).as_secs_f64() * 1000.0).collect())
    };
    (!starts.is_empty())
        .then(|| Start { total: milliseconds(|start| start.0), first_request: milliseconds(|start| start.1) })
}
