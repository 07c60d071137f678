//! Conversion of the Worker's request into `web`'s, and of `web`'s response into the Worker's.

use bytes::Bytes;
use futures_util::{AsyncReadExt as _, StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, Uri};
use kernel::ports::FetchError;
use kernel::ports::announced_length;
use wasm_streams::ReadableStream;
use wasm_streams::readable::IntoAsyncRead;
use web::body::LONGEST_WHOLE;
use web::request::ClientAddress;
use web::{Body, Response};
use worker::{Headers, Request, ResponseBuilder};

/// Bytes of a streamed request that are read at once.
const CHUNK: usize = 64 * 1024;

/// A chunk of a body, and the reader of the rest.
type Chunk = (Bytes, IntoAsyncRead<'static>);

/// Converts the request. A body whose announced length is at most [`LONGEST_WHOLE`] is read whole, any other streamed.
pub async fn to_web(mut request: Request) -> http::Request<Body> {
    let mut shared = http::Request::new(Body::Empty);
    *shared.method_mut() = request.inner().method().parse().unwrap_or(Method::GET);
    *shared.uri_mut() = path_and_query(&request.inner().url());
    for (name, value) in request.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            shared.headers_mut().append(name, value);
        }
    }
    // Cloudflare sets this header itself and lets no client's pass.
    let address = shared.headers().get("cf-connecting-ip").and_then(|address| address.to_str().ok());
    if let Some(address) = address.and_then(ClientAddress::parse) {
        shared.extensions_mut().insert(address);
    }
    *shared.body_mut() =
        body(&mut request, shared.headers()).await.unwrap_or_else(|error| Body::broken(error.to_string()));
    shared
}

async fn body(request: &mut Request, headers: &http::HeaderMap) -> worker::Result<Body> {
    let Some(stream) = request.inner().body() else { return Ok(Body::Empty) };
    if announced_length(headers).is_some_and(|length| length <= LONGEST_WHOLE) {
        return Ok(Body::Whole(request.bytes().await?.into()));
    }
    let reader = match ReadableStream::from_raw(stream).try_into_async_read() {
        Ok(reader) => reader,
        Err((error, _)) => return Ok(Body::broken(String::from(error.message()))),
    };
    Ok(Body::Stream(stream::try_unfold(reader, next_chunk).boxed_local()))
}

/// Reads the next chunk; `None` at the end of the body. The buffer is Postern's own, because the runtime's chunks have
/// 4 KiB and each of them costs a call into JavaScript.
async fn next_chunk(mut reader: IntoAsyncRead<'static>) -> Result<Option<Chunk>, FetchError> {
    let mut chunk = vec![0; CHUNK];
    let length = reader.read(&mut chunk).await.map_err(|error| FetchError::Broken(error.to_string()))?;
    chunk.truncate(length);
    Ok((length > 0).then(|| (Bytes::from(chunk), reader)))
}

/// Returns path and query of the absolute, normalised URL that the runtime gives. The host is left out, because the
/// client chooses it.
fn path_and_query(url: &str) -> Uri {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').and_then(|start| after_scheme.get(start..)).unwrap_or("/");
    let path = path.split('#').next().unwrap_or("/");
    path.parse().unwrap_or_else(|_| Uri::from_static("/"))
}

/// Converts the response; a streamed body stays a stream. A header whose value is not ASCII text is left out.
pub fn to_worker(response: Response) -> worker::Result<worker::Response> {
    let (parts, body) = response.into_parts();
    let headers = Headers::new();
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            headers.append(name.as_str(), value)?;
        }
    }
    let builder = ResponseBuilder::new().with_status(parts.status.as_u16()).with_headers(headers);
    match body {
        Body::Empty => Ok(builder.empty()),
        Body::Whole(bytes) => Ok(builder.fixed(bytes.into())),
        Body::Stream(chunks) => {
            builder.from_stream(chunks.map(|chunk| {
                chunk.map(Vec::from).map_err(|error| worker::Error::RustError(error.to_string()))
            }))
        }
    }
}
