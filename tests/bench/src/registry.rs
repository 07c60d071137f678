//! The registry's part of a run: creating, getting and listing integrations in a small and in a large registry, against
//! a Worker that only runs the same SQL; and sweeps of the scheduled validation.
//!
//! (1) A Postern inside this process does everything once, which tells what the baseline Worker has to run; (2) every
//! deployment gets the same rows; (3) all are loaded in turn; (4) the sweeps follow, each in a deployment of its own.

mod native;
mod plan;
mod recorder;
mod report;
mod route;
mod seed;
mod site;
mod sweep;

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde_json::{Map, Value, json};

use self::{native::Native, plan::Plan, route::Route, seed::Seeds, site::Site, sweep::Sweep};
use crate::{
    args::Args,
    load::Burst,
    measure::{Measured, summarize},
    postern::Secrets,
    processes::Process,
};

/// Tools of each upstream.
const TOOLS: usize = 10;

/// What a run found out about the registry.
pub(crate) struct Registry {
    lines: Vec<Line>,
    sweeps: Vec<Sweep>,
    /// What the baseline Worker ran, by route.
    statements: Map<String, Value>,
}

/// Who answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Party {
    Baseline,
    Workerd,
    Spin,
}

/// One route of one deployment at one concurrency.
struct Line {
    party: Party,
    /// Integrations in the registry.
    size: usize,
    route: Route,
    measured: Measured,
}

/// What every deployment of a run starts from.
struct Ground<'a> {
    args: &'a Args,
    secrets: Secrets,
    upstream: String,
    plan: Plan,
    /// Validated integrations, half of them with a token of the organization, none of them due.
    seeds: Seeds,
}

/// Measures everything.
pub(crate) async fn run(args: &Args) -> Result<Registry> {
    let upstream = Process::upstream().await?;
    let routes: Vec<_> = Route::ALL.into_iter().filter(|route| args.wants(route.key())).collect();
    let ground = Ground::prepare(args, upstream.url()?).await?;
    let mut lines = Vec::new();
    if !routes.is_empty() {
        let mut sites = Vec::new();
        for &size in &args.tables {
            sites.push(Site::baseline(&ground, size, &routes).await?);
            sites.push(Site::workerd(&ground, size, &routes).await?);
            if let Some(host) = &args.spin_host {
                sites.push(Site::spin(&ground, host, size, &routes).await?);
            }
        }
        lines = rounds(args, &mut sites, &routes).await?;
        for site in sites {
            site.stop().await?;
        }
    }
    let sweeps = if args.wants("registry_sweep") {
        sweep::run(args, &ground.secrets, &ground.upstream).await?
    } else {
        Vec::new()
    };
    upstream.stop().await?;
    Ok(Registry { lines, sweeps, statements: ground.plan.names })
}

impl<'a> Ground<'a> {
    async fn prepare(args: &'a Args, upstream: &str) -> Result<Self> {
        let secrets = Secrets::new()?;
        let native = Native::new(&secrets.scheduler);
        let url = format!("{upstream}/modern?tools={TOOLS}");
        let open = json!({"name": "Open", "url": url, "authMode": "none"});
        let closed =
            json!({"name": "Closed", "url": url, "authMode": "server_token", "serverToken": "a".repeat(40)});
        let ids = [native.create(open).await?, native.create(closed).await?];
        native.settle().await;
        let [open, closed] = &ids;
        let seeds = Seeds::of(&native, [open, closed], false).await?;
        let [valid] =
            native.numbers("SELECT count(*) FROM integrations WHERE validation_status = 'valid'").await?;
        anyhow::ensure!(valid == 2, "only {valid} of 2 integrations are valid");
        let plan = Plan::record(&native, &seeds, upstream).await?;
        Ok(Self { args, secrets, upstream: upstream.to_owned(), plan, seeds })
    }
}

async fn rounds(args: &Args, sites: &mut [Site], routes: &[Route]) -> Result<Vec<Line>> {
    eprintln!("registry: warming up");
    for number in 0..routes.len() {
        for site in sites.iter_mut() {
            site.load(number, 8, Duration::ZERO, args.first_warm_up).await?;
        }
    }
    let mut lines = Vec::new();
    for &concurrency in &args.registry_concurrency {
        let mut bursts: BTreeMap<(usize, usize), Vec<Burst>> = BTreeMap::new();
        for round in 1..=args.registry_rounds {
            eprintln!("registry: concurrency {concurrency}, round {round} of {}", args.registry_rounds);
            for number in 0..routes.len() {
                // One after the other, so that what is compared met the same mood of the machine.
                for (place, site) in sites.iter_mut().enumerate() {
                    let burst = site.load(number, concurrency, args.warm_up, args.measured).await?;
                    bursts.entry((number, place)).or_default().push(burst);
                }
            }
        }
        for ((number, place), bursts) in bursts {
            if let (Some(&route), Some(site)) = (routes.get(number), sites.get(place)) {
                let measured = summarize(route.key(), concurrency, bursts);
                lines.push(Line { party: site.party, size: site.size, route, measured });
            }
        }
    }
    Ok(lines)
}
