//! The command line.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

const USAGE: &str = "\
usage: bench [gateway] [registry] [options]
  gateway           calls and lists through Postern, straight, and through an empty Worker; cold starts; memory
  registry          integrations: create, get, list against the same SQL alone; sweeps of the scheduled validation
                    (default: both parts)
  --soak MINUTES    instead: half of the maximum rate for so long, with agents that leave, an upstream that fails and keys
                    that are revoked; fails unless memory stays flat, no audit row is missing and no answer is wrong
  --node FILE       the node binary                               (default: POSTERN_NODE, else `node`)
  --tools DIR       node_modules that holds miniflare and workerd (default: POSTERN_TOOLS)
  --build DIR       the built Worker: index.js and its .wasm      (default: POSTERN_BUILD)
  --spin-host FILE  Spin's test host: measures Postern on Spin, too (default: POSTERN_SPIN_HOST, else not)
  --wrangler FILE   where the compatibility date is read          (default: wrangler.toml of this tree)
  --json FILE       also write the figures there
  --quick           in minutes: shorter and fewer rounds, small tables, at most 8 connections
  --rounds N        rounds per target and concurrency             (default 5; registry quick 3)
  --seconds S       seconds measured per round                    (default 1.5; quick 0.5)
  --only WORDS      only targets whose name contains one of these words, comma separated
  --concurrency N,… (default 1,8,32; quick and registry 1,8)
  --tables N,…      registry: integrations in the database        (default 1000,100000; quick 1000,10000)
  --sweep N         registry: integrations of a sweep             (default 1000; quick 200)
  --cold N          cold starts                                   (default 5; quick 3; 0 for none)
  --floor-only      without Postern";

const PASSTHROUGH: &str = "tests/bench/passthrough.mjs";

/// What to run, and how long.
pub(crate) struct Args {
    /// Soaks for so long instead of measuring.
    pub(crate) soak: Option<Duration>,
    /// `gateway` and `registry`, or one of them.
    parts: Vec<String>,
    pub(crate) node: PathBuf,
    pub(crate) tools: PathBuf,
    pub(crate) build: PathBuf,
    pub(crate) spin_host: Option<PathBuf>,
    pub(crate) root: PathBuf,
    pub(crate) wrangler: PathBuf,
    pub(crate) json: Option<PathBuf>,
    pub(crate) rounds: usize,
    pub(crate) measured: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) first_warm_up: Duration,
    pub(crate) only: Vec<String>,
    pub(crate) concurrency: Vec<usize>,
    pub(crate) registry_rounds: usize,
    pub(crate) registry_concurrency: Vec<usize>,
    /// Sizes of the registry, the smallest first.
    pub(crate) tables: Vec<usize>,
    pub(crate) sweep: usize,
    /// A run of minutes.
    pub(crate) quick: bool,
    pub(crate) cold_starts: usize,
    pub(crate) floor_only: bool,
}

impl Args {
    /// The empty pass-through Worker.
    pub(crate) fn passthrough(&self) -> PathBuf {
        self.root.join(PASSTHROUGH)
    }

    /// The program that runs a Worker.
    pub(crate) fn runner(&self) -> PathBuf {
        self.root.join("tests/workerd/run.mjs")
    }

    /// Whether a part was asked for.
    pub(crate) fn measures(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    /// Whether a target of this name was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }
}

/// Reads the command line.
pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Args> {
    let root = root()?;
    let from_env = |name: &str| env::var_os(name).map(PathBuf::from);
    let (mut node, mut tools, mut build) =
        (from_env("POSTERN_NODE"), from_env("POSTERN_TOOLS"), from_env("POSTERN_BUILD"));
    let mut spin_host = from_env("POSTERN_SPIN_HOST");
    let (mut wrangler, mut json) = (root.join("wrangler.toml"), None);
    let (mut quick, mut floor_only, mut only, mut concurrency) = (false, false, Vec::new(), None);
    let (mut rounds, mut seconds, mut cold, mut tables, mut sweep) = (None, None, None, None, None);
    let (mut parts, mut soak) = (Vec::new(), None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
        let words = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        match argument.as_str() {
            "--soak" => {
                let minutes: f64 = value()?.parse().context("--soak takes minutes")?;
                soak = Some(Duration::from_secs_f64(minutes * 60.0));
            }
            "--node" => node = Some(value()?.into()),
            "--tools" => tools = Some(value()?.into()),
            "--build" => build = Some(value()?.into()),
            "--spin-host" => spin_host = Some(value()?.into()),
            "--wrangler" => wrangler = value()?.into(),
            "--json" => json = Some(value()?.into()),
            "--rounds" => rounds = Some(value()?.parse().context("--rounds takes a number")?),
            "--seconds" => seconds = Some(value()?.parse().context("--seconds takes a number")?),
            "--cold" => cold = Some(value()?.parse().context("--cold takes a number")?),
            "--only" => only = words(value()?),
            "--concurrency" => concurrency = Some(numbers(&argument, &value()?)?),
            "--tables" => tables = Some(numbers(&argument, &value()?)?),
            "--sweep" => sweep = Some(value()?.parse().context("--sweep takes a number")?),
            "gateway" | "registry" => parts.push(argument),
            "--quick" => quick = true,
            "--floor-only" => floor_only = true,
            "--help" | "-h" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ => bail!("unknown argument {argument}\n{USAGE}"),
        }
    }
    let measured = Duration::from_secs_f64(seconds.unwrap_or(if quick { 0.5 } else { 1.5 }));
    let build = match build {
        Some(build) => build,
        None if floor_only => PathBuf::new(),
        None => bail!("--build or POSTERN_BUILD must name the folder of the built Worker\n{USAGE}"),
    };
    ensure!(wrangler.exists(), "{} does not exist", wrangler.display());
    let mut tables = tables.unwrap_or_else(|| vec![1000, if quick { 10_000 } else { 100_000 }]);
    tables.sort_unstable();
    ensure!(
        tables.iter().all(|size| *size >= 200),
        "--tables: at least 200, so that there is a page in the middle"
    );
    Ok(Args {
        soak,
        parts,
        node: node.unwrap_or_else(|| "node".into()),
        tools: tools
            .context("--tools or POSTERN_TOOLS must name the node_modules folder that holds miniflare")?,
        build,
        spin_host,
        root,
        wrangler,
        json,
        rounds: rounds.unwrap_or(5).max(1),
        measured,
        warm_up: measured.mul_f64(0.3),
        first_warm_up: measured * if quick { 3 } else { 2 },
        only,
        registry_rounds: rounds.unwrap_or(if quick { 3 } else { 5 }).max(1),
        registry_concurrency: concurrency.clone().unwrap_or_else(|| vec![1, 8]),
        concurrency: concurrency.unwrap_or_else(|| if quick { vec![1, 8] } else { vec![1, 8, 32] }),
        tables,
        sweep: sweep.unwrap_or(if quick { 200 } else { 1000 }),
        quick,
        cold_starts: cold.unwrap_or(if quick { 3 } else { 5 }),
        floor_only,
    })
}

fn numbers(option: &str, text: &str) -> Result<Vec<usize>> {
    let numbers =
        text.split(',').map(|number| number.parse().with_context(|| format!("{option} takes numbers")));
    numbers.collect()
}

/// The folder of this tree. Asked of cargo at run time first, as a target directory may be shared between clones.
fn root() -> Result<PathBuf> {
    let told = env::var("CARGO_MANIFEST_DIR").ok();
    let places = [told.as_deref().unwrap_or_default(), env!("CARGO_MANIFEST_DIR")];
    let root = places
        .into_iter()
        .flat_map(|place| Path::new(place).ancestors())
        .find(|place| place.join(PASSTHROUGH).exists());
    Ok(root
        .with_context(|| format!("there is no {PASSTHROUGH} above {}", env!("CARGO_MANIFEST_DIR")))?
        .to_path_buf())
}
