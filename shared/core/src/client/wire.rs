//! One HTTP exchange with an upstream: the headers of each era, the POST, and the reading of its answer (MCP
//! transports: streamable HTTP).

use async_recursion::async_recursion;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method};

use super::{Answer, CallError, Client, Content};
use crate::client::session::UpstreamSession;
use crate::vault::present;
use kernel::Error;
use kernel::ports::{Outgoing, collect};
use mcp::MODERN;
use mcp::headers::{METHOD, PROTOCOL_VERSION, SESSION_ID};
use mcp::message::RawObject;
use mcp::sse::events;

/// The largest body, in bytes, of an error answer that counts as a JSON-RPC error.
const ERROR_BODY: usize = 64 * 1024;

impl Client<'_> {
    #[async_recursion(?Send)]
    pub(super) async fn post(&self, headers: HeaderMap, body: String) -> Result<Answer, CallError> {
        let request = Outgoing {
            method: Method::POST,
            url: self.upstream.url.clone(),
            headers,
            body: body.into(),
            limits: self.limits,
            release: self.release,
        };
        let response = self.platform.fetch(request).await?;
        let text =
            |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let session_id =
            text(SESSION_ID).filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic()));
        let content_type = text("content-type").unwrap_or_default().to_ascii_lowercase();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let status = response.status;
        let content = match (status, media_type) {
            (401 | 403, _) => {
                return Err(CallError::AuthorizationRequired {
                    status,
                    challenge: challenge(&response.headers),
                });
            }
            (300..=399, _) => return Err(CallError::Redirect(status)),
            (200..=299, "text/event-stream") => Content::Events(events(response.body)),
            (200..=299, "application/json") => Content::Json(collect(response.body).await?),
            (202 | 204, _) => Content::Accepted,
            (200..=299, _) => match collect(response.body).await?.as_ref() {
                [] => Content::Accepted,
                _ => return Err(CallError::NotMcp("neither JSON nor an event stream")),
            },
            (400..=499, "application/json") => {
                let body = collect(response.body).await?;
                if body.len() > ERROR_BODY || !is_error_response(&body) {
                    return Err(CallError::Status(status));
                }
                Content::Json(body)
            }
            _ => return Err(CallError::Status(status)),
        };
        Ok(Answer { status, session_id, content })
    }

    pub(super) fn base_headers(&self) -> Result<HeaderMap, CallError> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("postern/", env!("CARGO_PKG_VERSION"))));
        headers.extend(present(self.platform, self.upstream)?);
        Ok(headers)
    }

    pub(super) fn modern_headers(&self, method: &str) -> Result<HeaderMap, CallError> {
        let mut headers = self.base_headers()?;
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(MODERN));
        headers.insert(METHOD, header_value(method)?);
        Ok(headers)
    }

    pub(super) fn session_headers(&self, session: &UpstreamSession) -> Result<HeaderMap, CallError> {
        let mut headers = self.base_headers()?;
        headers.insert(PROTOCOL_VERSION, header_value(&session.protocol_version)?);
        if let Some(id) = &session.id {
            headers.insert(SESSION_ID, header_value(id)?);
        }
        Ok(headers)
    }
}

/// Returns all `WWW-Authenticate` fields, joined into one (RFC 9110 §5.3).
fn challenge(headers: &HeaderMap) -> Option<String> {
    let fields: Vec<&str> =
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|field| field.to_str().ok()).collect();
    if fields.is_empty() { None } else { Some(fields.join(", ")) }
}

fn is_error_response(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| {
        // An error in answer to an unreadable request has a null id, which `Message` does not read.
        RawObject::parse(text).is_some_and(|message| message.get("error").is_some())
    })
}

pub(super) fn header_value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|error| Error::internal(error.to_string()))
}
