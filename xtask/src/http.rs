//! Plain HTTP to programs on this machine.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::http;

/// An answer whose whole body was read.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The media type, without parameters.
    pub(crate) media_type: String,
    /// The body as text.
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("not JSON (HTTP {}): {}", self.status, self.body))
    }

    /// The body as JSON; an error when the status is not the expected one.
    pub(crate) fn expect(&self, status: u16, what: &str) -> Result<Value> {
        if self.status != status {
            bail!("{what}: HTTP {} instead of {status}: {}", self.status, self.body);
        }
        self.json()
    }
}

/// Sends one request; every status is an answer, not an error.
pub(crate) fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Answer> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(70)))
        .build()
        .into();
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let sent = match body {
        Some(body) => {
            agent.run(request.header("content-type", "application/json").body(serde_json::to_string(body)?)?)
        }
        None => agent.run(request.body(())?),
    };
    let mut response = sent.with_context(|| format!("{method} {url}"))?;
    let media_type = response
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let body = response.body_mut().read_to_string().with_context(|| format!("{method} {url}"))?;
    Ok(Answer { status: response.status().as_u16(), media_type, body })
}

/// Whether a loopback port accepts connections.
pub(crate) fn listens(port: u16) -> bool {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}
