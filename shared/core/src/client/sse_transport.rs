//! The HTTP+SSE transport (MCP 2024-11-05), for upstreams that support no other: one stream per conversation.
//!
//! (1) A GET opens the stream; (2) the first event names the endpoint, which must have the same origin, or a hostile
//! server could have the credential sent elsewhere; (3) messages are sent to the endpoint by POST and answered on the
//! stream. The stream ends with the conversation, so nothing is kept between an agent's requests.

use async_recursion::async_recursion;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;

use super::{
    Answer, Call, CallError, Client, Content, INITIALIZED, initialize_params, negotiated, own_meta, with_meta,
};
use kernel::net::SafeUrl;
use kernel::ports::Outgoing;
use mcp::message::{Message, RawObject, request};
use mcp::sse::{EventStream, named_events};

/// A conversation over HTTP+SSE, after `initialize`.
pub struct SseSession {
    events: EventStream,
    endpoint: SafeUrl,
    /// The negotiated revision.
    pub protocol_version: String,
}

impl Client<'_> {
    /// Opens a conversation: steps (1) and (2), then `initialize`.
    #[async_recursion(?Send)]
    pub async fn open_sse(&self) -> Result<SseSession, CallError> {
        // (1)
        let mut headers = self.base_headers()?;
        headers.remove(CONTENT_TYPE);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response =
            self.platform.fetch(self.outgoing(Method::GET, self.upstream.url.clone(), headers, Bytes::new()));
        let response = response.await?;
        let media_type =
            response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match response.status {
            200 if media_type.starts_with("text/event-stream") => {}
            200 => return Err(CallError::NotMcp("neither JSON nor an event stream")),
            status @ (401 | 403) => return Err(CallError::AuthorizationRequired { status, challenge: None }),
            status => return Err(CallError::Status(status)),
        }
        // (2)
        let mut named = named_events(response.body);
        let endpoint = match named.next().await.transpose()? {
            Some((Some(name), data)) if name == "endpoint" => self.endpoint(&data)?,
            _ => return Err(CallError::NotMcp("the event stream does not begin with its endpoint")),
        };
        let events = named.map_ok(|(_, data)| data).boxed_local();
        let mut session = SseSession { events, endpoint, protocol_version: String::new() };
        // (3)
        let id = self.request_id()?;
        self.tell(&session, request(&id, "initialize", &initialize_params())).await?;
        session.protocol_version = negotiated(&session.response_to(&id).await?)?;
        self.tell(&session, INITIALIZED.to_owned()).await?;
        Ok(session)
    }

    /// Sends one request within a conversation and returns the text of its response.
    #[async_recursion(?Send)]
    pub async fn ask_sse(
        &self,
        session: &mut SseSession,
        method: &str,
        params: &RawObject<'_>,
    ) -> Result<String, CallError> {
        let id = self.request_id()?;
        self.tell(session, request(&id, method, &params.to_raw())).await?;
        session.response_to(&id).await
    }

    pub(super) async fn call_sse(&self, id: &RawValue, call: &Call<'_>) -> Result<Answer, CallError> {
        let session = self.open_sse().await?;
        self.tell(&session, request(id, call.method, &with_meta(call, &own_meta(call)))).await?;
        Ok(Answer { status: 200, session_id: None, content: Content::Events(session.events) })
    }

    /// Resolves the URI of the first event against the stream's own URL. Fails if the endpoint has another origin.
    fn endpoint(&self, data: &str) -> Result<SafeUrl, CallError> {
        let refused = || CallError::NotMcp("the endpoint of the event stream is not one of its own origin");
        let base = self.upstream.url.as_url();
        let joined = base.join(data.trim()).map_err(|_| refused())?;
        if joined.origin() != base.origin() {
            return Err(refused());
        }
        SafeUrl::parse(joined.as_str(), self.platform.settings.net).map_err(|_| refused())
    }

    #[async_recursion(?Send)]
    async fn tell(&self, session: &SseSession, body: String) -> Result<(), CallError> {
        let headers = self.base_headers()?;
        let request = self.outgoing(Method::POST, session.endpoint.clone(), headers, body.into());
        let response = self.platform.fetch(request).await?;
        match response.status {
            200..=299 => Ok(()),
            status @ (401 | 403) => Err(CallError::AuthorizationRequired { status, challenge: None }),
            status @ 300..=399 => Err(CallError::Redirect(status)),
            status => Err(CallError::Status(status)),
        }
    }

    fn outgoing(&self, method: Method, url: SafeUrl, headers: HeaderMap, body: Bytes) -> Outgoing {
        Outgoing { method, url, headers, body, limits: self.limits, release: self.release }
    }
}

impl SseSession {
    async fn response_to(&mut self, id: &RawValue) -> Result<String, CallError> {
        while let Some(data) = self.events.next().await.transpose()? {
            let is_it = Message::parse(&data).is_ok_and(|message| {
                message.is_response() && message.id.is_some_and(|found| found.get() == id.get())
            });
            if is_it {
                return Ok(data);
            }
        }
        Err(CallError::NotMcp("the event stream ended before the response"))
    }
}
