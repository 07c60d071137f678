//! `cargo xtask deploy`: build, remote migrations, `wrangler deploy`. A thin wrapper: wrangler's questions and
//! messages are shown as they are.

use anyhow::{Context, Result, bail};

use super::build;
use crate::console;
use crate::process;
use crate::tools::Tools;
use crate::workspace;
use crate::wrangler;

/// Options of `deploy`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Builds and packs the Worker, but changes nothing at Cloudflare
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    if !args.dry_run {
        let step = console::step("wrangler whoami");
        let mut whoami = wrangler::command(&tools);
        whoami.arg("whoami");
        let account = process::output(&mut whoami).unwrap_or_default();
        if account.is_empty() || account.contains("not authenticated") {
            bail!(
                "wrangler is not logged in to Cloudflare: run `npx wrangler login` in xtask/tools, or set \
                 CLOUDFLARE_API_TOKEN (and CLOUDFLARE_ACCOUNT_ID)"
            );
        }
        println!("{}", account.trim());
        step.done();
        check_configuration()?;
    }
    build::worker(&tools, &workspace::worker_crate())?;
    if !args.dry_run {
        let step = console::step("apply the migrations to the remote database");
        let mut migrate = wrangler::command(&tools);
        migrate.args(["d1", "migrations", "apply", "DB", "--remote"]).env("CI", "true");
        process::run(&mut migrate, "wrangler d1 migrations apply")?;
        step.done();
    }
    let step = console::step("wrangler deploy");
    let mut deploy = wrangler::command(&tools);
    deploy.arg("deploy");
    if args.dry_run {
        deploy.args(["--dry-run", "--outdir"]).arg(workspace::target_dir().join("deploy"));
    }
    process::run(&mut deploy, "wrangler deploy")?;
    step.done();
    secrets_to_put();
    Ok(())
}

/// Checks that wrangler.toml names a database and a namespace of the user's own, before anything is sent there.
fn check_configuration() -> Result<()> {
    let path = workspace::root().join("wrangler.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config: toml::Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    let id = |section: &str, field: &str| {
        let binding = config.get(section)?.as_array()?.first()?;
        binding.get(field)?.as_str().map(str::to_owned)
    };
    let is_real =
        |id: Option<String>| id.is_some_and(|id| id.chars().any(|c| c.is_ascii_alphanumeric() && c != '0'));
    if !is_real(id("d1_databases", "database_id")) {
        bail!(
            "wrangler.toml has no database_id of yours: run `wrangler d1 create postern` and put its id there"
        );
    }
    if !is_real(id("kv_namespaces", "id")) {
        bail!(
            "wrangler.toml has no KV id of yours: run `wrangler kv namespace create CACHE` and put its id there"
        );
    }
    Ok(())
}

fn secrets_to_put() {
    println!("\nSecrets of the Worker, each put once (Postern answers 503 until ENCRYPTION_KEY is there):");
    for (name, what) in [
        (
            "ENCRYPTION_KEY",
            "base64 of 32 random bytes, for example from `openssl rand -base64 32`; keep a copy",
        ),
        (
            "BOOTSTRAP_ADMIN_KEY",
            "pst_<16 hex digits>_<43 base64url characters>: an admin key for as long as this is its value",
        ),
    ] {
        println!("  wrangler secret put {name}    # {what}");
    }
}
