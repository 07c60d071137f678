//! Real MCP servers to use as upstreams.

use std::process::Command;

use anyhow::Result;
use stub_upstream::{Options, Stub};

use crate::{
    environment,
    process::{Process, free_port},
};

/// A running MCP server that is not part of this repository.
pub struct Upstream {
    url: String,
    _process: Process,
}

impl Upstream {
    /// `@modelcontextprotocol/server-everything` over Streamable HTTP: a legacy server with sessions.
    pub async fn everything() -> Result<Self> {
        Self::everything_over("streamableHttp", "mcp").await
    }

    /// The same server over HTTP+SSE, the transport of MCP 2024-11-05.
    pub async fn everything_sse() -> Result<Self> {
        Self::everything_over("sse", "sse").await
    }

    async fn everything_over(transport: &str, path: &str) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(environment::path(environment::NODE)?);
        command
            .arg("--require")
            .arg(environment::path(environment::PEERS)?.join("loopback.cjs"))
            .arg(
                environment::path(environment::TOOLS)?
                    .join("@modelcontextprotocol/server-everything/dist/index.js"),
            )
            .arg(transport)
            .env("PORT", port.to_string())
            .env("POSTERN_LEAVE_WITH_STDIN", "1");
        Self::start("server-everything", &mut command, port, path).await
    }

    /// The Python SDK's everything-server: both eras on one endpoint.
    pub async fn python_reference() -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(environment::path(environment::PYTHON)?);
        command
            .arg(environment::path(environment::PEERS)?.join("python_upstream.py"))
            .arg(environment::path(environment::MCP_SDIST)?)
            .arg(port.to_string());
        Self::start("the Python everything-server", &mut command, port, "mcp").await
    }

    /// A server on Python's `http.server`, which refuses a body whose length is not announced.
    pub async fn python_http_server() -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(environment::path(environment::PYTHON)?);
        command
            .arg(environment::path(environment::PEERS)?.join("python_http_server.py"))
            .arg(port.to_string());
        Self::start("Python's http.server", &mut command, port, "mcp").await
    }

    /// The stub of this repository, in this process: for tests in which an upstream misbehaves or its requests are
    /// inspected.
    pub fn stub(options: Options) -> Result<Stub> {
        Stub::start(options)
    }

    async fn start(name: &'static str, command: &mut Command, port: u16, path: &str) -> Result<Self> {
        let mut process = Process::spawn(name, command, |_| {})?;
        process.wait_for_port(port).await?;
        Ok(Self { url: format!("http://127.0.0.1:{port}/{path}"), _process: process })
    }

    /// The URL of the server's MCP endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }
}
