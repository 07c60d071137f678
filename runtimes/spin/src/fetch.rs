//! The Fetch port over WASI's outbound HTTP, which follows no redirects. Dropping a response ends its exchange.
//!
//! A body crosses WASI as a stream, of which the host knows no length, so that it would be sent in chunks. Many servers
//! read only as many bytes as `Content-Length` announces; the header is therefore set here.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use http::Method;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyDataStream, Full};
use kernel::ports::{Fetch, FetchError, Outgoing, UpstreamResponse};

pub(crate) struct SpinFetch;

#[async_trait(?Send)]
impl Fetch for SpinFetch {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        let length = request.body.len();
        // RFC 9110 §8.6: a request whose method anticipates a body has a length even if the body is empty.
        let announces = length > 0 || [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
        let mut outgoing = http::Request::new(Full::new(request.body));
        *outgoing.method_mut() = request.method;
        *outgoing.uri_mut() = request.url.as_str().parse().map_err(|error| unreachable(&error))?;
        *outgoing.headers_mut() = request.headers;
        if announces {
            outgoing.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        let response = spin_sdk::http::send(outgoing).await.map_err(|error| unreachable(&error))?;
        let (parts, body) = response.into_parts();
        let body = BodyDataStream::new(body)
            .map(|chunk| chunk.map_err(|error| FetchError::Broken(format!("{error:?}"))))
            .boxed_local();
        Ok(UpstreamResponse { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

fn unreachable(error: &impl std::fmt::Debug) -> FetchError {
    FetchError::Unreachable(format!("{error:?}"))
}
