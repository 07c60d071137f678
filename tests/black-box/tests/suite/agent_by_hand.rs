//! An agent that speaks one era by hand, for the subjects that assert on the wire.

use anyhow::Result;
use black_box::{
    api::Api,
    mcp::{self, Events, Reply, Request},
};
use serde_json::{Value, json};

/// The era that a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

pub(crate) use Era::{Legacy, Modern};

/// Every pair of an agent's era and an upstream's era.
pub(crate) const PAIRS: [(Era, Era); 4] =
    [(Legacy, Legacy), (Legacy, Modern), (Modern, Legacy), (Modern, Modern)];

impl Era {
    /// The stub's endpoint of this era.
    pub(crate) fn endpoint(self) -> &'static str {
        match self {
            Legacy => "/legacy",
            Modern => "/modern",
        }
    }
}

/// An agent at one endpoint.
pub(crate) struct Agent {
    pub(crate) era: Era,
    pub(crate) api: Api,
    pub(crate) path: String,
    pub(crate) session: Option<String>,
}

impl Agent {
    /// Opens a session where the era has sessions.
    pub(crate) async fn open(era: Era, api: Api, path: &str) -> Result<Self> {
        let session = match era {
            Legacy => mcp::initialize(&api, path).await?.0,
            Modern => None,
        };
        Ok(Self { era, api, path: path.to_owned(), session })
    }

    /// A request of the agent's era.
    pub(crate) fn request(&self, id: Value, method: &str, params: Value) -> Result<Request> {
        match self.era {
            Legacy => Request::legacy(self.session.as_deref(), id, method, params),
            Modern => Request::modern(id, method, params),
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, id: Value, method: &str, params: Value) -> Result<Reply> {
        self.request(id, method, params)?.send(&self.api, &self.path).await
    }

    /// Calls a tool and reads the whole answer.
    pub(crate) async fn call(&self, id: Value, tool: &str, arguments: Value) -> Result<Reply> {
        self.send(id, "tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool with a progress token and hands out the answer as it arrives.
    pub(crate) async fn stream(
        &self,
        id: Value,
        tool: &str,
        arguments: Value,
        token: Value,
    ) -> Result<Events> {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": token}});
        self.request(id, "tools/call", params)?.stream(&self.api, &self.path).await
    }
}
