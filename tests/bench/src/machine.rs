//! What was measured on: the machine and the versions.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::args::Args;

/// Machine and versions, as the report's JSON has them.
#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) machine: Value,
    pub(crate) versions: Value,
}

/// Looks around.
pub(crate) async fn describe(args: &Args) -> Result<Machine> {
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let model = text.lines().find_map(|line| line.strip_prefix("model name"))?;
        Some(model.trim_start_matches([' ', '\t', ':']).to_owned())
    });
    let load = fs::read_to_string("/proc/loadavg").ok();
    let load = load.as_deref().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let node = Command::new(&args.node)
        .arg("--version")
        .output()
        .await
        .with_context(|| format!("cannot run {}", args.node.display()))?;
    ensure!(node.status.success(), "{} --version failed", args.node.display());
    Ok(Machine {
        machine: json!({
            "cpu": cpu,
            "cores": std::thread::available_parallelism().map(usize::from).ok(),
            "os": std::env::consts::OS,
            "load_average_before": load,
        }),
        versions: json!({
            "postern": env!("CARGO_PKG_VERSION"),
            "workerd": package_version(&args.tools, "workerd")?,
            "miniflare": package_version(&args.tools, "miniflare")?,
            "node": String::from_utf8_lossy(&node.stdout).trim().trim_start_matches('v'),
        }),
    })
}

fn package_version(tools: &Path, package: &str) -> Result<String> {
    let path = tools.join(package).join("package.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: Value = serde_json::from_str(&text)?;
    Ok(manifest.get("version").and_then(Value::as_str).context("no version")?.to_owned())
}
