//! Postern as an MCP client: sends requests to one upstream in the upstream's era (MCP transports: streamable HTTP).
//!
//! Request ids are Postern's own random numbers and never the agent's: an upstream could otherwise confuse the
//! answers to two agents that use the same id. If the upstream no longer knows a session, Postern opens a new one and
//! sends the request again, once: a request that the upstream refused because of its session never ran.

pub mod probe;
pub mod session;
mod sse_transport;
mod wire;

use std::rc::Rc;

use async_recursion::async_recursion;
use bytes::Bytes;
use http::Method;
use http::header::HeaderName;
use serde_json::json;
use serde_json::value::RawValue;

use self::session::{Key, SESSION, Sessions, UpstreamSession};
pub use self::sse_transport::SseSession;
use self::wire::header_value;
use crate::Platform;
use crate::model::target::{Transport, Upstream};
use crate::vault::Unpresentable;
use kernel::Error;
use kernel::ports::{FetchError, Limits, Outgoing, Release};
use mcp::headers::{NAME, PARAM_PREFIX, encode_value};
use mcp::message::{Message, RawObject, raw, request};
use mcp::sse::{EventStream, response_to};
use mcp::{Era, LATEST_LEGACY, LEGACY, MODERN, implementation, meta};

/// A client for one upstream on behalf of one caller.
pub struct Client<'a> {
    platform: &'a Platform,
    upstream: &'a Upstream,
    subject: &'a str,
    limits: Limits,
    release: Release,
}

/// The content of an upstream's answer.
pub enum Content {
    /// One JSON message.
    Json(Bytes),
    /// A stream of messages, as they arrive; the response is the last one.
    Events(EventStream),
    /// 202 or another success without content.
    Accepted,
}

/// An upstream's answer: its content, and the parts of its head that Postern reads.
pub struct Answer {
    /// The HTTP status: a success, or 4xx with a JSON-RPC error in `Content::Json`.
    pub status: u16,
    /// The header `Mcp-Session-Id` of an answer to `initialize`.
    pub session_id: Option<String>,
    /// The content.
    pub content: Content,
}

/// Why there is no usable answer. The text is public and never contains a text of the upstream.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The HTTP exchange failed.
    #[error("{}", fetch_text(.0))]
    Fetch(#[from] FetchError),
    /// 401 or 403: the upstream does not accept the credential, or demands one.
    #[error("the upstream refused the credential (HTTP {status})")]
    AuthorizationRequired {
        /// 401 or 403.
        status: u16,
        /// The header `WWW-Authenticate` of the answer.
        challenge: Option<String>,
    },
    /// A redirect; Postern follows none.
    #[error("the upstream answered with a redirect (HTTP {0}), which is not followed")]
    Redirect(u16),
    /// Another status, without a JSON-RPC error.
    #[error("the upstream answered HTTP {0}")]
    Status(u16),
    /// The answer breaks MCP; the text says how.
    #[error("the upstream's answer is not MCP: {0}")]
    NotMcp(&'static str),
    /// The credential cannot be presented.
    #[error("{}", unpresentable_text(.0))]
    Unpresentable(Unpresentable),
    /// An error of Postern's own.
    #[error("internal error")]
    Internal(#[from] Error),
}

impl From<Unpresentable> for CallError {
    fn from(reason: Unpresentable) -> Self {
        Self::Unpresentable(reason)
    }
}

fn unpresentable_text(reason: &Unpresentable) -> String {
    match reason {
        Unpresentable::Unreadable => {
            "the stored credential cannot be opened: store it again, or give back the key that sealed it"
                .to_owned()
        }
        Unpresentable::OtherOrigin => {
            "the stored credential was given for another server: store it again".to_owned()
        }
        Unpresentable::Missing(keys) => format!("credentials are missing: {}", keys.join(", ")),
    }
}

fn fetch_text(error: &FetchError) -> String {
    match error {
        FetchError::Unreachable(_) => "the upstream cannot be reached".to_owned(),
        FetchError::Broken(_) => "the connection to the upstream broke off".to_owned(),
        FetchError::Timeout => "the upstream did not answer in time".to_owned(),
        FetchError::ClientLeft => "the agent went away before the answer".to_owned(),
        FetchError::TooLarge { limit } => format!("the upstream's answer is larger than {limit} bytes"),
    }
}

/// A request of an agent, to be sent to the upstream.
pub struct Call<'a> {
    /// The method, such as `tools/call`.
    pub method: &'static str,
    /// The upstream's own name of the tool.
    pub name: &'a str,
    /// The parameters, without `_meta`.
    pub params: RawObject<'a>,
    /// The agent's `_meta`.
    pub meta: RawObject<'a>,
    /// The arguments to mirror in headers for modern upstreams: each header's name without its prefix, and its value.
    pub mirrored: Vec<(String, String)>,
}

impl<'a> Client<'a> {
    /// Creates a client that sends requests to `upstream` for the caller `subject`.
    pub fn new(platform: &'a Platform, upstream: &'a Upstream, subject: &'a str, limits: Limits) -> Self {
        Self { platform, upstream, subject, limits, release: Release::AtOnce }
    }

    /// Makes the client release connections as in [`Release::WithCaller`], for the last exchange of an agent's request.
    #[must_use]
    pub fn released_with_caller(mut self) -> Self {
        self.release = Release::WithCaller;
        self
    }

    /// Returns a fresh request id: a random integer below 2^53, which every JSON parser reads exactly.
    pub fn request_id(&self) -> Result<Box<RawValue>, Error> {
        Ok(raw(&(u64::from_be_bytes(self.platform.random()?) >> 11)))
    }

    /// Sends `call` to the upstream, which speaks `era`. Returns the id that the response will carry, and the answer.
    pub async fn call(&self, era: Era, call: &Call<'_>) -> Result<(Box<RawValue>, Answer), CallError> {
        let id = self.request_id()?;
        let answer = match (self.upstream.transport, era) {
            (Transport::Sse, _) => self.call_sse(&id, call).await?,
            (Transport::Http, Era::Modern) => self.call_modern(&id, call).await?,
            (Transport::Http, Era::Legacy) => self.call_legacy(&id, call).await?,
        };
        Ok((id, answer))
    }

    async fn call_modern(&self, id: &RawValue, call: &Call<'_>) -> Result<Answer, CallError> {
        let mut headers = self.modern_headers(call.method)?;
        headers.insert(NAME, header_value(&encode_value(call.name))?);
        for (name, value) in &call.mirrored {
            let name = HeaderName::try_from(format!("{PARAM_PREFIX}{name}").to_ascii_lowercase())
                .map_err(|error| Error::internal(error.to_string()))?;
            headers.insert(name, header_value(&encode_value(value))?);
        }
        let capabilities =
            call.meta.get(meta::CLIENT_CAPABILITIES).map_or_else(|| raw(&json!({})), ToOwned::to_owned);
        let mut own = own_meta(call);
        if let Some(level) = call.meta.get(meta::LOG_LEVEL) {
            own.set(meta::LOG_LEVEL, level.to_owned());
        }
        own.set(meta::PROTOCOL_VERSION, raw(&MODERN));
        own.set(meta::CLIENT_CAPABILITIES, capabilities);
        own.set(meta::CLIENT_INFO, implementation());
        self.post(headers, request(id, call.method, &with_meta(call, &own))).await
    }

    async fn call_legacy(&self, id: &RawValue, call: &Call<'_>) -> Result<Answer, CallError> {
        let body = request(id, call.method, &with_meta(call, &own_meta(call)));
        let key = self.session_key();
        let cache = self.platform.memory.cache::<Sessions>();
        if let Some(session) = cache.get(&key, self.platform.now()) {
            let answer = self.post(self.session_headers(&session)?, body.clone()).await;
            let session_is_lost = match &answer {
                Ok(answer) => matches!(answer.status, 400 | 404),
                Err(error) => matches!(error, CallError::Status(400 | 404)),
            };
            if !session_is_lost {
                return answer;
            }
            cache.remove(&key);
        }
        let generation = cache.generation();
        let session = Rc::new(self.initialize().await?);
        cache.put(generation, key, Rc::clone(&session), self.platform.now(), SESSION);
        self.post(self.session_headers(&session)?, body).await
    }

    /// Opens a session by the handshake of the legacy era: `initialize`, then `notifications/initialized`.
    #[async_recursion(?Send)]
    pub async fn initialize(&self) -> Result<UpstreamSession, CallError> {
        let id = self.request_id()?;
        let answer =
            self.post(self.base_headers()?, request(&id, "initialize", &initialize_params())).await?;
        if answer.status >= 400 {
            return Err(CallError::Status(answer.status));
        }
        let session_id = answer.session_id;
        let protocol_version = negotiated(&single(answer.content, &id).await?)?;
        let session = UpstreamSession { id: session_id, protocol_version };
        self.post(self.session_headers(&session)?, INITIALIZED.to_owned()).await?;
        Ok(session)
    }

    /// Ends a session with DELETE. A failure is only logged.
    #[async_recursion(?Send)]
    pub async fn end(&self, session: &UpstreamSession) {
        if session.id.is_none() {
            return;
        }
        let Ok(headers) = self.session_headers(session) else {
            return;
        };
        let request = Outgoing {
            method: Method::DELETE,
            url: self.upstream.url.clone(),
            headers,
            body: Bytes::new(),
            limits: self.limits,
            release: self.release,
        };
        if let Err(error) = self.platform.fetch(request).await {
            log::debug!("ending a session with {} failed: {error}", self.upstream.slug);
        }
    }

    /// Sends one modern request that does not come from an agent, such as `server/discover`.
    pub async fn request_modern(
        &self,
        id: &RawValue,
        method: &str,
        mut params: RawObject<'_>,
    ) -> Result<Answer, CallError> {
        params.set(
            "_meta",
            raw(&json!({
                meta::PROTOCOL_VERSION: MODERN,
                meta::CLIENT_CAPABILITIES: {},
                meta::CLIENT_INFO: implementation(),
            })),
        );
        self.post(self.modern_headers(method)?, request(id, method, &params.to_raw())).await
    }

    /// Sends one legacy request within a session.
    pub async fn request_legacy(
        &self,
        session: &UpstreamSession,
        id: &RawValue,
        method: &str,
        params: &RawObject<'_>,
    ) -> Result<Answer, CallError> {
        self.post(self.session_headers(session)?, request(id, method, &params.to_raw())).await
    }

    /// Answers a request of a legacy upstream with an error: Postern declared no capabilities, so the upstream should
    /// not have sent it. Without a session in memory, nothing is sent; a failure is only logged.
    pub async fn decline(&self, upstream_request: &RawValue) {
        let Some(session) =
            self.platform.memory.cache::<Sessions>().get(&self.session_key(), self.platform.now())
        else {
            return;
        };
        let Ok(headers) = self.session_headers(&session) else {
            return;
        };
        let error = raw(&json!({ "code": mcp::message::code::METHOD_NOT_FOUND, "message": "not supported" }));
        let body = mcp::message::response(upstream_request, "error", &error);
        if let Err(error) = self.post(headers, body).await {
            log::debug!("refusing a request of {} failed: {error}", self.upstream.slug);
        }
    }

    fn session_key(&self) -> Key {
        Key {
            integration_id: self.upstream.integration_id.clone(),
            url: self.upstream.url.as_str().to_owned(),
            owner: self.subject.to_owned(),
            credential: self.upstream.credential.as_ref().map(|credential| credential.sealed.clone()),
            headers: self.upstream.headers.clone(),
        }
    }
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn initialize_params() -> Box<RawValue> {
    raw(&json!({ "protocolVersion": LATEST_LEGACY, "capabilities": {}, "clientInfo": implementation() }))
}

/// Returns the revision that an answer to `initialize` negotiates. Fails if Postern does not support the revision.
fn negotiated(text: &str) -> Result<String, CallError> {
    let message =
        Message::parse(text).map_err(|_| CallError::NotMcp("no JSON-RPC response to initialize"))?;
    let version = message.result.and_then(|result| RawObject::parse(result.get())?.text("protocolVersion"));
    let version =
        version.ok_or(CallError::NotMcp("initialize was refused or did not name a protocol version"))?;
    if LEGACY.contains(&version.as_str()) {
        Ok(version)
    } else {
        Err(CallError::NotMcp("initialize negotiated a protocol version that Postern does not know"))
    }
}

/// Returns the text of the response to `id`, from a JSON body or an event stream. Fails if there is none.
#[async_recursion(?Send)]
pub async fn single(content: Content, id: &RawValue) -> Result<String, CallError> {
    match content {
        Content::Json(body) => {
            String::from_utf8(body.into()).map_err(|_| CallError::NotMcp("the JSON is not UTF-8"))
        }
        Content::Events(events) => response_to(events, id)
            .await?
            .ok_or(CallError::NotMcp("the event stream ended before the response")),
        Content::Accepted => Err(CallError::NotMcp("no content")),
    }
}

/// Returns the agent's `_meta` without MCP's reserved keys, which apply only between the agent and Postern.
fn own_meta<'a>(call: &'a Call<'_>) -> RawObject<'a> {
    let mut own = RawObject::default();
    for (key, value) in call.meta.iter().filter(|(key, _)| !key.starts_with(meta::PREFIX)) {
        own.push(key, value);
    }
    own
}

fn with_meta(call: &Call<'_>, own: &RawObject<'_>) -> Box<RawValue> {
    let mut params = RawObject::default();
    for (key, value) in call.params.iter() {
        params.push(key, value);
    }
    if !own.is_empty() {
        params.set("_meta", own.to_raw());
    }
    params.to_raw()
}
