//! Plain HTTP to Postern, as one caller.

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde_json::Value;

/// How long a client keeps an idle connection: less than workerd's 5 s, so that no request is sent on a connection that
/// the server closes at the same moment.
pub(crate) const IDLE: Duration = Duration::from_secs(3);

/// A caller: an origin, and a key if the caller has one. Made per test, because connections belong to a test's
/// async runtime.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    origin: String,
    key: Option<String>,
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Api {
    /// A caller without a key at an origin (or at a URL, when the paths are to be empty).
    pub fn to(origin: &str) -> Result<Self> {
        Self::new(origin, None)
    }

    pub(crate) fn new(origin: &str, key: Option<&str>) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_mins(1))
            .pool_idle_timeout(IDLE)
            .build()?;
        Ok(Self { client, origin: origin.to_owned(), key: key.map(str::to_owned) })
    }

    /// Builds a request that carries the caller's key.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.origin));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// POST of a JSON document.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// PATCH with a JSON document.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        Answer::of(self.request(Method::PATCH, path).json(body)).await
    }

    /// PUT of a JSON document.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        Answer::of(self.request(Method::PUT, path).json(body)).await
    }

    /// POST of a body as it is, declared to be JSON.
    pub async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Result<Answer> {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        Answer::of(request.body(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Any method, without a body.
    pub async fn call(&self, method: &str, path: &str) -> Result<Answer> {
        Answer::of(self.request(Method::from_bytes(method.as_bytes())?, path)).await
    }
}

impl Answer {
    /// Sends a request and reads the whole response.
    pub async fn of(request: reqwest::RequestBuilder) -> Result<Self> {
        let response = request.send().await?;
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text)
            .with_context(|| format!("{} with no JSON: {}", self.status, self.text))
    }

    /// The body as JSON; an error when the status is not the expected one.
    pub fn expect(&self, status: u16) -> Result<Value> {
        anyhow::ensure!(self.status == status, "expected {status}, got {}: {}", self.status, self.text);
        if self.text.is_empty() { Ok(Value::Null) } else { self.json() }
    }

    /// A header field's value, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }
}

/// A header field's value, or an empty string.
pub fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Header fields from pairs.
pub fn headers(pairs: &[(&str, &str)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    Ok(map)
}

/// Whether a status is a success.
pub fn is_success(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| status.is_success())
}
