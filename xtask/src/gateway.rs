//! The built Worker on real workerd, started through `tests/workerd/run.mjs` and gone when dropped.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Postern;
use crate::devvars::Secrets;
use crate::process::{Service, free_port};
use crate::tools::Tools;
use crate::workspace;

/// A running Worker with a database of its own.
pub(crate) struct Gateway {
    /// How to reach it.
    pub(crate) postern: Postern,
    _workerd: Service,
}

/// Starts the Worker that `cargo xtask build` left behind. Without a public URL, it goes by its own address.
pub(crate) fn start(tools: &Tools, public_url: Option<&str>) -> Result<Gateway> {
    let secrets = Secrets::generate()?;
    let mut command = tools.node(workspace::root().join("tests/workerd/run.mjs"));
    command.env("POSTERN_TOOLS", workspace::tools_dir().join("node_modules"));
    let mut workerd = Service::start("workerd", &mut command, false)?;
    let port = free_port()?;
    let start = json!({
        "script": workspace::worker_crate().join("build/index.js"),
        "port": port,
        "bindings": {
            "ENCRYPTION_KEY": secrets.encryption_key,
            "BOOTSTRAP_ADMIN_KEY": secrets.admin_key,
            "PUBLIC_URL": public_url.map_or_else(|| format!("http://127.0.0.1:{port}"), str::to_owned),
            "ALLOW_LOOPBACK_UPSTREAMS": "true",
        },
    });
    workerd.tell(&start.to_string())?;
    let line = workerd.line(Duration::from_mins(1))?;
    let ready: Value = serde_json::from_str(&line).with_context(|| format!("workerd said {line}"))?;
    let origin = ready.get("url").and_then(Value::as_str).with_context(|| format!("workerd said {line}"))?;
    let postern = Postern { origin: origin.trim_end_matches('/').to_owned(), key: secrets.admin_key };
    postern.health()?;
    Ok(Gateway { postern, _workerd: workerd })
}
