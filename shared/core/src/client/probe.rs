//! Probes an upstream: whether the upstream is usable, which era it speaks, and which tools it has.
//!
//! A probe first sends `server/discover`, which is modern. If the answer is one that a legacy server could give, the
//! probe goes on with `initialize`; a network failure, 5xx, redirect or authorization answer says nothing about the
//! era and ends the probe. Then the probe reads every page of `tools/list`.

use std::collections::HashSet;
use std::time::Duration;

use async_recursion::async_recursion;
use serde_json::json;
use serde_json::value::RawValue;

use super::session::UpstreamSession;
use crate::Platform;
use crate::client::{CallError, Client, SseSession, single};
use crate::model::entry::{Entry, Kind};
use crate::model::integration::AuthMode;
use crate::model::target::{Transport, Upstream};
use kernel::net::SafeUrl;
use kernel::ports::Limits;
use mcp::headers::ParamHeader;
use mcp::message::{Message, RawArray, RawObject, code, raw};
use mcp::{Era, MODERN};

/// Most tools of one integration.
pub const MOST_TOOLS: usize = 10_000;
/// Most bytes of all definitions of one integration.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of one definition; D1 takes at most 2 MB as a value.
const LONGEST_DEFINITION: usize = 256 * 1024;
/// Most pages of one list.
const MOST_PAGES: usize = 500;
/// Limits of each exchange of a probe.
const LIMITS: Limits =
    Limits { idle: Duration::from_secs(10), total: Duration::from_secs(30), max_bytes: 8 * 1024 * 1024 };
/// The subject of probes. No caller has this subject, so no caller's request uses a probe's session.
const SUBJECT: &str = "system:probe";

/// What a probe found out about a usable upstream.
#[derive(Debug)]
pub struct Probe {
    /// The era that the upstream speaks.
    pub era: Era,
    /// The transport that the upstream supports.
    pub transport: Transport,
    /// The negotiated revision.
    pub protocol_version: String,
    /// The usable tools.
    pub tools: Vec<Entry>,
    /// The number of tools that were left out because their definition breaks the protocol.
    pub skipped: usize,
}

/// Probes `upstream` with its credential. The error says why the upstream is not usable.
#[async_recursion(?Send)]
pub async fn probe(platform: &Platform, upstream: &Upstream) -> Result<Probe, CallError> {
    let idle = LIMITS.idle.min(platform.settings.upstream_timeout);
    let client = Client::new(platform, upstream, SUBJECT, Limits { idle, ..LIMITS });
    if discover(&client).await? {
        let mut catalogue = Catalogue::default();
        catalogue.read(&client, &mut Conversation::Modern).await?;
        return Ok(catalogue.probe(Era::Modern, Transport::Http, MODERN.to_owned()));
    }
    let mut catalogue = Catalogue::default();
    match client.initialize().await {
        Ok(session) => {
            let version = session.protocol_version.clone();
            let mut conversation = Conversation::Legacy(session);
            let read = catalogue.read(&client, &mut conversation).await;
            if let Conversation::Legacy(session) = &conversation {
                client.end(session).await;
            }
            read?;
            Ok(catalogue.probe(Era::Legacy, Transport::Http, version))
        }
        // MCP transports, "Backwards Compatibility": such a server may support only the older transport.
        Err(CallError::Status(status @ (400 | 404 | 405))) => {
            let session = client.open_sse().await.map_err(|error| match error {
                CallError::AuthorizationRequired { .. } => error,
                _ => CallError::Status(status),
            })?;
            let version = session.protocol_version.clone();
            catalogue.read(&client, &mut Conversation::Sse(session)).await?;
            Ok(catalogue.probe(Era::Legacy, Transport::Sse, version))
        }
        Err(error) => Err(error),
    }
}

/// The way in which a probe sends its requests.
enum Conversation {
    Modern,
    Legacy(UpstreamSession),
    Sse(SseSession),
}

impl Conversation {
    /// Sends one request and returns the text of its response.
    async fn ask(
        &mut self,
        client: &Client<'_>,
        method: &str,
        params: RawObject<'_>,
    ) -> Result<String, CallError> {
        let id = client.request_id()?;
        let answer = match self {
            Self::Modern => client.request_modern(&id, method, params).await?,
            Self::Legacy(session) => client.request_legacy(session, &id, method, &params).await?,
            Self::Sse(session) => return client.ask_sse(session, method, &params).await,
        };
        single(answer.content, &id).await
    }
}

/// Sends requests without a credential to the server at `url`, in both eras, and returns the `WWW-Authenticate` of
/// its 401 or 403; `None` if the server does not answer so, or without that header.
pub async fn challenge(platform: &Platform, url: &SafeUrl) -> Option<String> {
    let upstream = Upstream {
        integration_id: String::new(),
        slug: "authorization".to_owned(),
        url: url.clone(),
        era: None,
        transport: Transport::Http,
        protocol_version: None,
        auth_mode: AuthMode::None,
        headers: None,
        needs_reauth: false,
        credential: None,
    };
    let idle = LIMITS.idle.min(platform.settings.upstream_timeout);
    let client = Client::new(platform, &upstream, SUBJECT, Limits { idle, ..LIMITS });
    let refusal = match discover(&client).await {
        Err(refusal) => refusal,
        Ok(true) => return None,
        Ok(false) => match client.initialize().await {
            Err(refusal) => refusal,
            Ok(session) => {
                client.end(&session).await;
                return None;
            }
        },
    };
    match refusal {
        CallError::AuthorizationRequired { challenge, .. } => challenge,
        _ => None,
    }
}

/// Returns `true` if the upstream supports the modern revision, `false` if its answer could be a legacy server's.
async fn discover(client: &Client<'_>) -> Result<bool, CallError> {
    let id = client.request_id()?;
    let answer = match client.request_modern(&id, "server/discover", RawObject::default()).await {
        Ok(answer) => answer,
        Err(CallError::Status(400..=499) | CallError::NotMcp(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let text = match single(answer.content, &id).await {
        Ok(text) => text,
        Err(CallError::NotMcp(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let names_ours = |json: &RawValue, key: &str| {
        let list = RawObject::parse(json.get())
            .and_then(|object| serde_json::from_str::<Vec<String>>(object.get(key)?.get()).ok());
        list.is_some_and(|versions| versions.iter().any(|version| version == MODERN))
    };
    let Some(message) = RawObject::parse(&text) else {
        return Ok(false);
    };
    if let Some(result) = message.get("result") {
        return Ok(names_ours(result, "supportedVersions"));
    }
    // A modern server that supports only other modern revisions answers with this code; a legacy server does not.
    let unsupported = message.get("error").and_then(|error| RawObject::parse(error.get())).filter(|error| {
        error.get("code").is_some_and(|found| found.get() == code::UNSUPPORTED_PROTOCOL_VERSION.to_string())
    });
    match unsupported.as_ref().and_then(|error| error.get("data")) {
        Some(data) => Ok(names_ours(data, "supported")),
        None => Ok(false),
    }
}

#[derive(Default)]
struct Catalogue {
    tools: Vec<Entry>,
    names: HashSet<String>,
    bytes: usize,
    skipped: usize,
}

impl Catalogue {
    async fn read(&mut self, client: &Client<'_>, conversation: &mut Conversation) -> Result<(), CallError> {
        let mut cursor: Option<String> = None;
        let mut seen = HashSet::new();
        for _ in 0..MOST_PAGES {
            let mut params = RawObject::default();
            if let Some(cursor) = &cursor {
                params.set("cursor", raw(cursor));
            }
            let text = conversation.ask(client, "tools/list", params).await?;
            let message =
                Message::parse(&text).map_err(|_| CallError::NotMcp("no JSON-RPC response to tools/list"))?;
            let Some(result) = message.result else {
                // A server without tools need not support the method.
                return if message.error.is_some_and(is_unknown_method) {
                    Ok(())
                } else {
                    Err(CallError::NotMcp("tools/list answered an error"))
                };
            };
            let result = RawObject::parse(result.get())
                .ok_or(CallError::NotMcp("the result of tools/list is not an object"))?;
            self.add_page(&result)?;
            // An empty text is a valid cursor.
            match result.text("nextCursor") {
                None => return Ok(()),
                Some(next) if !seen.insert(next.clone()) => {
                    return Err(CallError::NotMcp("tools/list repeats a cursor"));
                }
                next => cursor = next,
            }
        }
        Err(CallError::NotMcp("tools/list has too many pages"))
    }

    fn add_page(&mut self, result: &RawObject<'_>) -> Result<(), CallError> {
        let tools = result.get("tools").ok_or(CallError::NotMcp("the result of tools/list has no tools"))?;
        let tools = RawArray::parse(tools.get(), MOST_TOOLS)
            .map_err(|_| CallError::NotMcp("tools in the result of tools/list is not an array"))?;
        if tools.has_more {
            return Err(CallError::NotMcp("the catalogue is too large"));
        }
        for definition in tools.elements {
            match tool(definition) {
                Some(tool) if self.names.insert(tool.name.clone()) => {
                    self.bytes += tool.definition.len();
                    self.tools.push(tool);
                }
                _ => self.skipped += 1,
            }
            if self.tools.len() > MOST_TOOLS || self.bytes > MOST_BYTES {
                return Err(CallError::NotMcp("the catalogue is too large"));
            }
        }
        Ok(())
    }

    fn probe(self, era: Era, transport: Transport, protocol_version: String) -> Probe {
        Probe { era, transport, protocol_version, tools: self.tools, skipped: self.skipped }
    }
}

/// Returns `true` for the JSON-RPC error of a method that a server does not have.
fn is_unknown_method(error: &RawValue) -> bool {
    let error = RawObject::parse(error.get());
    let code = error.as_ref().and_then(|error| serde_json::from_str::<i64>(error.get("code")?.get()).ok());
    code == Some(code::METHOD_NOT_FOUND)
}

/// Reads a tool definition; `None` if agents cannot be offered the tool: its name must be usable, its input schema an
/// object, its header annotations valid.
fn tool(definition: &RawValue) -> Option<Entry> {
    const LONGEST_NAME: usize = 128;
    if definition.get().len() > LONGEST_DEFINITION {
        return None;
    }
    let mut members = RawObject::parse(definition.get())?;
    let name = members.text("name")?;
    let name_fits = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    let schema = members.get("inputSchema").filter(|schema| name_fits && schema.get().starts_with('{'))?;
    let param_headers = if schema.get().contains("x-mcp-header") {
        ParamHeader::collect(
            &serde_json::from_str(schema.get()).unwrap_or_else(|_| json!({ "x-mcp-header": null })),
        )?
    } else {
        Vec::new()
    };
    members.remove("name");
    Some(Entry { kind: Kind::Tool, definition: members.to_raw().get().to_owned(), name, param_headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(definition: &str) -> Option<Entry> {
        tool(&RawValue::from_string(definition.to_owned()).unwrap())
    }

    #[test]
    fn the_error_of_an_unknown_method_is_known_by_its_code_alone() {
        let is_unknown = |error: &str| is_unknown_method(&RawValue::from_string(error.to_owned()).unwrap());
        assert!(is_unknown(r#"{"message":"Method not found","code": -32601}"#));
        for other in [
            r#"{"code":-32603,"message":"the backend answered -32601"}"#,
            r#"{"code":-32603,"message":"","data":{"code":-32601}}"#,
            r#"{"code":-326010,"message":""}"#,
            r#"{"message":"-32601"}"#,
            "-32601",
        ] {
            assert!(!is_unknown(other), "{other}");
        }
    }

    #[test]
    fn definitions_are_kept_unchanged_except_for_the_name() {
        let tool =
            read(r#"{"name":"t","inputSchema":{"type":"object","$defs":{"n":{"const":1.50}}},"icons":[]}"#)
                .unwrap();
        assert_eq!(tool.name, "t");
        assert_eq!(
            tool.definition,
            r#"{"inputSchema":{"type":"object","$defs":{"n":{"const":1.50}}},"icons":[]}"#
        );
    }

    #[test]
    fn unusable_definitions_are_left_out() {
        for definition in [
            "7",
            r#"{"inputSchema":{}}"#,
            r#"{"name":"","inputSchema":{}}"#,
            r#"{"name":"a\nb","inputSchema":{}}"#,
            r#"{"name":"t"}"#,
            r#"{"name":"t","inputSchema":true}"#,
            r#"{"name":"t","name":"u","inputSchema":{}}"#,
            r#"{"name":"t","inputSchema":{"properties":{"p":{"type":"number","x-mcp-header":"P"}}}}"#,
        ] {
            assert!(read(definition).is_none(), "{definition}");
        }
        assert!(read(&format!(r#"{{"name":"{}","inputSchema":{{}}}}"#, "x".repeat(129))).is_none());
    }
}
