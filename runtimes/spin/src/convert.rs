//! Conversion of WASI's request into `web`'s, and of `web`'s response into WASI's.
//!
//! The headers that Spin adds (`spin-full-url`, …) stay in the request and are not read, because a client can send the same
//! headers. The exception is the client's address: Spin adds its own `spin-client-addr` after those of the client, so the
//! last one is Spin's.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_LENGTH;
use http_body_util::StreamBody;
use kernel::ports::FetchError;
use kernel::ports::announced_length;
use spin_sdk::http::FromRequest as _;
use spin_sdk::http::body::IncomingBodyExt as _;
use spin_sdk::wasip3::http::types::{self, ErrorCode};
use spin_sdk::wasip3::http_compat::http_into_wasi_response;
use web::body::LONGEST_WHOLE;
use web::request::ClientAddress;
use web::{Body, Response};

/// Converts the request. A body whose announced length is at most [`LONGEST_WHOLE`] is read whole, any other streamed.
pub(crate) async fn to_web(request: types::Request) -> Result<http::Request<Body>, ErrorCode> {
    let (mut parts, body) = spin_sdk::http::Request::from_request(request)?.into_parts();
    // The host is left out, because the client chooses it.
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().unwrap_or_else(|_| http::Uri::from_static("/"));
    let address = parts.headers.get_all("spin-client-addr").iter().next_back();
    if let Some(address) = address.and_then(|address| ClientAddress::parse(address.to_str().ok()?)) {
        parts.extensions.insert(address);
    }
    let body = match announced_length(&parts.headers) {
        Some(0) => Body::Empty,
        Some(1..=LONGEST_WHOLE) => match body.bytes().await {
            Ok(bytes) => Body::Whole(bytes),
            Err(error) => Body::broken(format!("{error:?}")),
        },
        _ => {
            let chunks =
                body.stream().map(|chunk| chunk.map_err(|error| FetchError::Broken(format!("{error:?}"))));
            Body::Stream(chunks.boxed_local())
        }
    };
    Ok(http::Request::from_parts(parts, body))
}

/// Converts the response; a streamed body stays a stream, and the length of a whole one is announced.
pub(crate) fn to_spin(response: Response) -> Result<types::Response, ErrorCode> {
    let (mut parts, body) = response.into_parts();
    if let Body::Whole(bytes) = &body {
        parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
    }
    let chunks = match body {
        Body::Empty => stream::empty().boxed_local(),
        Body::Whole(bytes) => stream::iter([Ok(bytes)]).boxed_local(),
        Body::Stream(chunks) => chunks,
    };
    let frames = chunks.map(|chunk| chunk.map(http_body::Frame::<Bytes>::data));
    http_into_wasi_response(http::Response::from_parts(parts, StreamBody::new(frames)))
}
