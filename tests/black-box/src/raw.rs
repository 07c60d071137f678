//! One HTTP/1.1 request over a TCP connection of its own, which the test can break off at any moment.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{Postern, mcp::Request};

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It closes its side in order; a server that has nothing to send may not notice.
    Closes,
    /// It resets the connection, which every server notices at once.
    Resets,
}

/// A connection on which a request was sent.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Opens a connection and sends one request with the key and these headers.
    pub async fn send(
        postern: &Postern,
        key: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Self> {
        let mut stream = TcpStream::connect(postern.address()).await?;
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n",
            postern.address(),
            body.len()
        );
        for (name, value) in headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.push_str(body);
        stream.write_all(text.as_bytes()).await?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Opens a connection and sends a request of MCP; `accept` says which forms of an answer it takes.
    pub async fn send_mcp(
        postern: &Postern,
        key: &str,
        path: &str,
        accept: &str,
        request: &Request,
    ) -> Result<Self> {
        let mut headers = vec![("accept", accept)];
        for (name, value) in &request.headers {
            headers.push((name.as_str(), value.to_str()?));
        }
        Self::send(postern, key, "POST", path, &headers, &request.body.to_string()).await
    }

    /// Reads until the answer contains `text`.
    pub async fn read_until(&mut self, text: &str) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(30);
        let reading = async {
            loop {
                if String::from_utf8_lossy(&self.read).contains(text) {
                    return Ok(());
                }
                let mut chunk = [0; 4096];
                let length = self.stream.read(&mut chunk).await?;
                ensure!(length > 0, "the answer ended: {}", String::from_utf8_lossy(&self.read));
                self.read.extend_from_slice(chunk.get(..length).unwrap_or_default());
            }
        };
        tokio::time::timeout(LIMIT, reading).await.with_context(|| format!("no {text}"))?
    }

    /// Leaves without reading what may still come.
    pub fn leave(self, leaving: Leaving) -> Result<()> {
        if leaving == Leaving::Resets {
            self.stream.set_zero_linger()?;
        }
        drop(self.stream);
        Ok(())
    }
}
