//! HTTP exchanges with authorization servers: small JSON documents, bounded in time and size. Redirects are never
//! followed.

use std::time::Duration;

use async_recursion::async_recursion;
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use crate::Platform;
use kernel::net::SafeUrl;
use kernel::ports::{FetchError, Limits, Outgoing, Release, collect};

/// Limits of discovery and registration.
pub const METADATA: Limits =
    Limits { idle: Duration::from_secs(5), total: Duration::from_secs(10), max_bytes: 64 * 1024 };
/// Limits of the token endpoint. A runtime lets work go on for 30 s after the client has left: the rest of them is for
/// storing the tokens.
pub const TOKEN: Limits =
    Limits { idle: Duration::from_secs(20), total: Duration::from_secs(25), max_bytes: 1024 * 1024 };

/// The answer of a peer.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, if it is JSON.
    pub json: Option<Value>,
}

impl Answer {
    /// Returns `true` if the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns how long `Cache-Control` allows the answer to be kept (RFC 9111 §5.2.2): at most an hour, zero without
    /// that header.
    pub fn lifetime(&self) -> Duration {
        const LONGEST: u64 = 3600;
        let fields = self.headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
        let directives: Vec<String> =
            fields.flat_map(|field| field.split(',')).map(|part| part.trim().to_ascii_lowercase()).collect();
        if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
            return Duration::ZERO;
        }
        let age = directives.iter().find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok());
        Duration::from_secs(age.unwrap_or(0).min(LONGEST))
    }
}

/// Sends a GET for a JSON document.
pub async fn get(platform: &Platform, url: SafeUrl) -> Result<Answer, FetchError> {
    send(platform, Method::GET, url, HeaderMap::new(), Bytes::new(), METADATA).await
}

/// Sends a JSON document by POST.
pub async fn post_json(platform: &Platform, url: SafeUrl, body: &Value) -> Result<Answer, FetchError> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    send(platform, Method::POST, url, headers, body.to_string().into(), METADATA).await
}

/// Sends a form by POST (RFC 6749 §4.1.3).
pub async fn post_form(
    platform: &Platform,
    url: SafeUrl,
    mut headers: HeaderMap,
    form: &[(&str, &str)],
) -> Result<Answer, FetchError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    send(platform, Method::POST, url, headers, body.into(), TOKEN).await
}

#[async_recursion(?Send)]
async fn send(
    platform: &Platform,
    method: Method,
    url: SafeUrl,
    mut headers: HeaderMap,
    body: Bytes,
    limits: Limits,
) -> Result<Answer, FetchError> {
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("postern/", env!("CARGO_PKG_VERSION"))));
    let request = Outgoing { method, url, headers, body, limits, release: Release::AtOnce };
    let response = platform.fetch(request).await?;
    let body = collect(response.body).await?;
    Ok(Answer {
        status: response.status,
        headers: response.headers,
        json: serde_json::from_slice(&body).ok(),
    })
}
