//! The Fetch port over reqwest.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use kernel::ports::{Fetch, FetchError, Outgoing, UpstreamResponse};

/// A client that follows no redirects.
pub struct NativeFetch(reqwest::Client);

impl Default for NativeFetch {
    fn default() -> Self {
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self(client.expect("a client without TLS has nothing to fail on"))
    }
}

#[async_trait(?Send)]
impl Fetch for NativeFetch {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        let response = self
            .0
            .request(request.method, request.url.as_str())
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| FetchError::Unreachable(error.to_string()))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body =
            response.bytes_stream().map(|chunk| chunk.map_err(|error| FetchError::Broken(error.to_string())));
        Ok(UpstreamResponse { status, headers, body: body.boxed_local() })
    }
}
