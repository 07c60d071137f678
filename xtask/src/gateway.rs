//! The built Postern, on real workerd (through `tests/workerd/run.mjs`) or on Spin's test host, stopped when dropped.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Postern;
use crate::devvars::Secrets;
use crate::process::{Service, free_port};
use crate::runtime::Runtime;
use crate::tools::Tools;
use crate::workspace;

/// A running Postern with a database of its own.
pub(crate) struct Gateway {
    /// The address and the admin key of this Postern.
    pub(crate) postern: Postern,
    _host: Service,
}

/// Starts the Postern that [`crate::verbs::build::postern`] built, with further settings. Unless these name a
/// public URL, Postern's own address is its public URL.
pub(crate) fn start(tools: &Tools, runtime: Runtime, more: &[(&'static str, &str)]) -> Result<Gateway> {
    let secrets = Secrets::generate()?;
    let port = free_port()?;
    let mut settings = BTreeMap::from([
        ("ENCRYPTION_KEY", secrets.encryption_key),
        ("BOOTSTRAP_ADMIN_KEY", secrets.admin_key.clone()),
        ("PUBLIC_URL", format!("http://127.0.0.1:{port}")),
        ("ALLOW_LOOPBACK_UPSTREAMS", "true".to_owned()),
    ]);
    settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let (mut command, start) = match runtime {
        Runtime::Workerd => {
            let mut command = tools.node(workspace::root().join("tests/workerd/run.mjs"));
            command.env("POSTERN_TOOLS", workspace::tools_dir().join("node_modules"));
            let script = workspace::worker_crate().join("build/index.js");
            (command, json!({ "script": script, "port": port, "bindings": settings }))
        }
        Runtime::Spin => {
            let variables = settings.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
            let variables: BTreeMap<_, _> = variables.collect();
            let manifest = workspace::root().join("spin.toml");
            let command = Command::new(workspace::program("spin-host"));
            (
                command,
                json!({ "manifest": manifest, "port": port, "variables": variables, "state_dir": null }),
            )
        }
    };
    let mut host = Service::start(runtime.name(), &mut command, false)?;
    host.tell(&start.to_string())?;
    let line = host.line(Duration::from_mins(1))?;
    let ready: Value =
        serde_json::from_str(&line).with_context(|| format!("{} said {line}", runtime.name()))?;
    let origin = ready.get("url").and_then(Value::as_str).with_context(|| format!("no url in {line}"))?;
    let postern = Postern { origin: origin.trim_end_matches('/').to_owned(), key: secrets.admin_key };
    postern.health()?;
    Ok(Gateway { postern, _host: host })
}
