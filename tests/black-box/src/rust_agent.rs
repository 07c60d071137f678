//! An agent written with rmcp, the official Rust SDK.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rmcp::{
    ClientHandler, RoleClient,
    model::{CallToolRequestParams, ProgressNotificationParam, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::Value;

use crate::{
    agent::{Mode, Progress, Report, Task},
    process::lock,
};

#[derive(Clone, Default)]
struct Handler(Arc<Mutex<Vec<Progress>>>);

impl ClientHandler for Handler {
    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        lock(&self.0).push(Progress { progress: params.progress, total: params.total });
    }
}

/// Lets the agent list the tools and call one. Returns the agent's report.
pub(crate) async fn run(task: &Task<'_>, mode: Mode) -> Result<Report> {
    const LIMIT: Duration = Duration::from_mins(1);
    tokio::time::timeout(LIMIT, session(task, mode))
        .await
        .with_context(|| format!("not done within {LIMIT:?}"))?
}

async fn session(task: &Task<'_>, mode: Mode) -> Result<Report> {
    let config = StreamableHttpClientTransportConfig::with_uri(task.url).auth_header(task.key);
    let preferred_versions = vec![ProtocolVersion::LATEST];
    let lifecycle = match mode {
        Mode::Legacy => ClientLifecycleMode::Initialize,
        Mode::Auto => ClientLifecycleMode::Auto { preferred_versions, legacy_version: None },
        Mode::Modern => ClientLifecycleMode::Discover { preferred_versions },
    };
    let handler = Handler::default();
    let progress = handler.0.clone();
    let client =
        handler.serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle).await?;
    let protocol = client.peer_info().map(|info| info.protocol_version.to_string());
    let tools = client.list_all_tools().await?.into_iter().map(|tool| tool.name.into_owned()).collect();

    let mut params = CallToolRequestParams::new(task.tool.to_owned());
    if let Value::Object(arguments) = &task.arguments {
        params = params.with_arguments(arguments.clone());
    }
    let result = serde_json::to_value(client.call_tool(params).await?)?;
    // rmcp hands notifications to tasks of their own, so the last ones may be recorded after the result.
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.cancel().await?;
    let progress = lock(&progress).clone();
    Ok(Report { protocol, tools, result, progress: Some(progress) })
}
