//! Runs a Spin application for tests only: a double of Spin's host interfaces. `spin up` stays the reference.
//!
//! The components are the real ones, and so are SQLite, HTTP and the manifest; what is ours is the host around
//! them, on wasmtime as in Spin. It exists because Spin's own binary cannot be had everywhere that tests run.
//! Not here: runtime configuration files, other databases and stores than `default`, service chaining and calls to
//! the application itself, TLS in either direction, HTTP/2, triggers other than HTTP.
//!
//! Everything is one JSON object a line, as with `tests/workerd/run.mjs`. The first line on stdin says what to start;
//! secrets travel here and not in the argument list, where every user of the machine could read them:
//!
//! ```json
//! {"manifest": "…/spin.toml", "variables": {"name": "value"}, "state_dir": "dir or null", "port": 0}
//! ```
//!
//! Without `state_dir` the database and the key-value store are in a temporary folder, removed at the end. With
//! `"remote_sqlite": {}` the database behaves as a libSQL server does (see `remote`); `idle_ms` and `transaction_ms` in
//! it change the server's time limits. With `"d1_limits": true` the database refuses what Cloudflare's D1 refuses: values
//! and rows over 2,000,000 bytes, statements over 100,000 bytes, more than 100 parameters.
//! Answer, once requests are accepted: `{"ready":true,"url":"http://127.0.0.1:…","pid":…}`. Then, in any order,
//! each answered by `{"id":…,"ok":true,"result":…}` or `{"id":…,"ok":false,"error":"…"}`:
//!
//! ```json
//! {"id": 1, "cmd": "sql", "sql": "SELECT ?1", "params": [1]}
//! {"id": 2, "cmd": "batch", "statements": ["SELECT 1"]}
//! {"id": 3, "cmd": "kv"}
//! {"id": 4, "cmd": "stop"}
//! {"id": 5, "cmd": "kill"}
//! ```
//!
//! `kill` is not answered: the process aborts, as if the power had gone for it alone. What components print goes to
//! stderr. The process ends by itself when stdin closes, so nothing outlives a parent that died.

mod allowed_hosts;
mod bindings;
mod commands;
mod compile;
mod guest;
mod inbound;
mod instances;
mod key_value;
mod manifest;
mod outbound;
mod remote;
mod routes;
mod server;
mod sqlite;
mod storage;
mod stream;
mod template;
mod variables;

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    commands::{Command, Order},
    instances::Instances,
    manifest::Application,
    remote::Remote,
    routes::Routes,
    server::Server,
    storage::Storage,
};

/// The first line of stdin.
#[derive(Deserialize)]
struct Start {
    manifest: PathBuf,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    state_dir: Option<PathBuf>,
    #[serde(default)]
    port: u16,
    remote_sqlite: Option<Remote>,
    #[serde(default)]
    d1_limits: bool,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve());
    if let Err(error) = &result {
        eprintln!("spin-host: {error:#}");
    }
    // Neither guests nor the thread that reads stdin are waited for.
    std::process::exit(i32::from(result.is_err()))
}

async fn serve() -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Some(first) = lines.next_line().await? else {
        return Ok(());
    };
    let start: Start = serde_json::from_str(&first).context("the first line")?;
    let storage = Arc::new(Storage::open(start.state_dir.as_deref(), start.remote_sqlite, start.d1_limits)?);
    let application = Application::read(&start.manifest, &start.variables)?;
    let server = Arc::new(load(application, &storage)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, start.port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(server.serve(listener));
    say(&json!({"ready": true, "url": url, "pid": std::process::id()}));

    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let stop = loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            _ = interrupted.recv() => None,
            _ = terminated.recv() => None,
        };
        let Some(line) = line else {
            break None;
        };
        match serde_json::from_str(&line) {
            Ok(Order { id, command: Command::Stop }) => break Some(id),
            Ok(Order { command: Command::Kill, .. }) => std::process::abort(),
            Ok(order) => carry_out(order, storage.clone()),
            Err(error) => refuse(&line, &error),
        }
    };
    storage.remove_temporary()?;
    if let Some(id) = stop {
        say(&commands::answer(&id, Ok(Value::Null)));
    }
    Ok(())
}

/// Compiles the components and puts the server together.
fn load(application: Application, storage: &Arc<Storage>) -> Result<Server> {
    let engine = compile::engine()?;
    let linker = instances::linker(&engine)?;
    let client = outbound::client();
    let mut components = Vec::new();
    for component in application.components {
        let id = component.id.clone();
        let compiled = compile::component(&engine, Path::new(&component.source))?;
        let ready = linker.instantiate_pre(&compiled).map_err(anyhow::Error::from);
        let ready = ready.with_context(|| format!("component {id}"))?;
        let instances = Instances::new(engine.clone(), ready, component, storage.clone(), client.clone())?;
        components.push((id, instances));
    }
    Ok(Server::new(Routes::new(application.routes)?, components))
}

/// Not awaited: a slow statement must not hold up the next order.
fn carry_out(order: Order, storage: Arc<Storage>) {
    tokio::task::spawn_blocking(move || {
        let result = order.command.run(&storage);
        say(&commands::answer(&order.id, result));
    });
}

fn refuse(line: &str, error: &serde_json::Error) {
    let id = serde_json::from_str::<Value>(line).ok().and_then(|line| line.get("id").cloned());
    say(&commands::answer(&id.unwrap_or_default(), Err(anyhow::anyhow!("{error}"))));
}

/// One line to the parent, who may be gone.
fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
