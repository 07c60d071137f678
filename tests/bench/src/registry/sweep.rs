//! Sweeps of the scheduled validation: every integration is due, and ticks follow each other until none is.
//!
//! Twice: in the first sweep every catalogue is new, in the second one nothing has changed. How long that takes is
//! measured where Postern runs; how many statements it takes is counted in a Postern inside this process, which is the
//! same code above the database's port.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{TOOLS, native::Native, recorder::Counts, seed::Seeds, site::fill};
use crate::{
    args::Args,
    http_client::{Connection, authority},
    postern::{self, Secrets},
    processes::Process,
};

/// The route of a tick.
pub(super) const TICK: &str = "/_scheduled/validate";

/// Two sweeps of one deployment.
pub(crate) struct Sweep {
    /// Where: `workerd`, `spin`, or `native`.
    pub(crate) place: &'static str,
    /// How many were due.
    pub(crate) integrations: usize,
    /// Catalogues new, then unchanged.
    pub(crate) passes: Vec<Pass>,
}

/// One sweep.
#[derive(Default)]
pub(crate) struct Pass {
    pub(crate) seconds: f64,
    /// Ticks, the last one included, which finds nothing to do.
    pub(crate) ticks: u64,
    /// What the statements were, where they can be counted.
    pub(crate) counts: Option<Counts>,
    /// Integrations, tools and answers that are not as they must be.
    pub(crate) wrong: u64,
    pub(crate) first_error: Option<String>,
}

/// Sweeps wherever Postern was asked to run.
pub(super) async fn run(args: &Args, secrets: &Secrets, upstream: &str) -> Result<Vec<Sweep>> {
    let native = Native::new(&secrets.scheduler);
    let seeds = seeds(&native, upstream).await?;
    let mut sweeps = vec![sweep(args, "native", Host::Native(native), &seeds).await?];
    let host = Host::workerd(args, secrets).await?;
    sweeps.push(sweep(args, "workerd", host, &seeds).await?);
    if let Some(program) = &args.spin_host {
        let host = Host::spin(args, program, secrets).await?;
        sweeps.push(sweep(args, "spin", host, &seeds).await?);
    }
    Ok(sweeps)
}

/// Integrations as they are before their first probe, half of them modern and half of them legacy.
async fn seeds(native: &Native, upstream: &str) -> Result<Seeds> {
    let of = |era: &str| {
        let url = format!("{upstream}/{era}?tools={TOOLS}");
        native.create(json!({"name": era, "url": url, "authMode": "none"}))
    };
    let ids = [of("modern").await?, of("legacy").await?];
    let [modern, legacy] = &ids;
    let seeds = Seeds::of(native, [modern, legacy], true).await?;
    for id in &ids {
        native.execute(format!("DELETE FROM integrations WHERE id = '{id}'")).await?;
    }
    Ok(seeds)
}

/// Where Postern runs.
enum Host {
    Native(Native),
    Served { process: Process, connection: Connection, authority: String, token: String, _state: TempDir },
}

impl Host {
    async fn workerd(args: &Args, secrets: &Secrets) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let process = postern::start(args, secrets, state.path(), true).await?;
        Self::served(process, secrets, state).await
    }

    async fn spin(args: &Args, program: &Path, secrets: &Secrets) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let process = postern::start_on_spin(args, program, secrets, state.path()).await?;
        Self::served(process, secrets, state).await
    }

    async fn served(process: Process, secrets: &Secrets, state: TempDir) -> Result<Self> {
        let authority = authority(process.url()?)?.to_owned();
        let connection = Connection::open(&authority).await?;
        Ok(Self::Served { process, connection, authority, token: secrets.scheduler.clone(), _state: state })
    }

    async fn fill(&mut self, seeds: &Seeds, count: usize) -> Result<()> {
        match self {
            Self::Native(native) => {
                for sql in seeds.statements(count, native.now())? {
                    native.execute(sql).await?;
                }
                Ok(())
            }
            Self::Served { process, .. } => fill(process, seeds, count).await,
        }
    }

    /// How many integrations one tick validated.
    async fn tick(&mut self) -> Result<u64> {
        let (status, text) = match self {
            Self::Native(native) => {
                let reply = native.tick().await;
                (reply.status, reply.text)
            }
            Self::Served { connection, authority, token, .. } => {
                let request = Request::post(TICK)
                    .header("host", authority.as_str())
                    .header("authorization", format!("Bearer {token}"))
                    .body(Full::default())?;
                let answer = connection.send(request).await?;
                (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
            }
        };
        ensure!(status == StatusCode::OK, "a tick answered {status} {text}");
        let body: Value = serde_json::from_str(&text)?;
        ensure!(body.get("job").and_then(Value::as_str) == Some("validate"), "a tick answered {text}");
        body.get("processed").and_then(Value::as_u64).with_context(|| format!("a tick answered {text}"))
    }

    /// The only row of a query, whose columns are numbers.
    async fn numbers<const N: usize>(&mut self, sql: &str) -> Result<[i64; N]> {
        match self {
            Self::Native(native) => native.numbers(sql).await,
            Self::Served { process, .. } => {
                let rows = process.sql(sql, &[]).await?;
                let Some(Value::Object(row)) = rows.first() else { bail!("no row: {sql}") };
                let numbers: Option<Vec<_>> = row.values().map(Value::as_i64).collect();
                let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
                numbers.with_context(|| format!("{sql}: {row:?}"))
            }
        }
    }

    async fn make_due(&mut self) -> Result<()> {
        let sql = "UPDATE integrations SET next_validation_at = 0";
        match self {
            Self::Native(native) => native.execute(sql.to_owned()).await,
            Self::Served { process, .. } => process.sql(sql, &[]).await.map(drop),
        }
    }

    fn take_counts(&self) -> Option<Counts> {
        match self {
            Self::Native(native) => Some(native.recorder.take_counts()),
            Self::Served { .. } => None,
        }
    }
}

async fn sweep(args: &Args, place: &'static str, mut host: Host, seeds: &Seeds) -> Result<Sweep> {
    let integrations = args.sweep;
    host.fill(seeds, integrations).await?;
    let mut passes = Vec::new();
    for (number, state) in ["new", "unchanged"].into_iter().enumerate() {
        eprintln!("registry: sweep on {place}, catalogues {state}");
        if number > 0 {
            host.make_due().await?;
        }
        passes.push(pass(&mut host, integrations as u64, number > 0).await?);
    }
    if let Host::Served { process, .. } = host {
        process.stop().await?;
    }
    Ok(Sweep { place, integrations, passes })
}

async fn pass(host: &mut Host, integrations: u64, unchanged: bool) -> Result<Pass> {
    let mut pass = Pass::default();
    // No row of an earlier pass has this pass's time.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    host.take_counts();
    let (begun, mut processed) = (Instant::now(), 0);
    while pass.ticks <= integrations {
        pass.ticks += 1;
        match host.tick().await {
            Ok(0) => break,
            Ok(count) => processed += count,
            Err(error) => {
                pass.must_be(0, 1, &format!("{error:#}"));
                break;
            }
        }
    }
    pass.seconds = begun.elapsed().as_secs_f64();
    pass.counts = host.take_counts();
    pass.must_be(integrations, processed, "integrations were processed");
    let check = format!(
        "SELECT (SELECT count(*) FROM integrations WHERE validation_status = 'valid' AND era IS NOT NULL
                    AND last_validated_at >= {since}) AS a_valid,
                (SELECT count(*) FROM catalogue_entries) AS b_tools,
                (SELECT count(*) FROM catalogue_entries WHERE first_seen_at >= {since}) AS c_new"
    );
    let [valid, tools, new] = host.numbers(&check).await?.map(|number: i64| number as u64);
    let all = integrations * TOOLS as u64;
    pass.must_be(integrations, valid, "integrations were found valid");
    pass.must_be(all, tools, "tools are stored");
    pass.must_be(if unchanged { 0 } else { all }, new, "tools are new");
    Ok(pass)
}

impl Pass {
    fn must_be(&mut self, wanted: u64, found: u64, what: &str) {
        self.wrong += wanted.abs_diff(found);
        if wanted != found {
            self.first_error.get_or_insert(format!("{found} instead of {wanted}: {what}"));
        }
    }
}
