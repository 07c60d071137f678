//! The Fetch port over the Worker's `fetch`. A redirect is returned and not followed; dropping a body cancels the
//! body.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use js_sys::Uint8Array;
use kernel::ports::announced_length;
use kernel::ports::{BodyStream, Fetch, FetchError, Outgoing, Release, UpstreamResponse};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{ByteStream, web_sys};

/// A body whose announced length is at most this many bytes is read in one step rather than chunk by chunk.
const SMALL: u64 = 64 * 1024;

pub(crate) struct WorkerFetch;

#[async_trait(?Send)]
impl Fetch for WorkerFetch {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        // A controller and its signal cost several calls into the runtime, so tool calls (`WithCaller`) do without
        // them.
        let abort = match request.release {
            Release::AtOnce => Some(Abort::new()?),
            Release::WithCaller => None,
        };
        let init = web_sys::RequestInit::new();
        init.set_method(request.method.as_str());
        init.set_redirect(web_sys::RequestRedirect::Manual);
        if let Some(abort) = &abort {
            init.set_signal(Some(&abort.controller.signal()));
        }
        let headers = web_sys::Headers::new().map_err(unreachable)?;
        for (name, value) in &request.headers {
            let value = value.to_str().map_err(|error| FetchError::Unreachable(error.to_string()))?;
            headers.append(name.as_str(), value).map_err(unreachable)?;
        }
        init.set_headers(&headers);
        if !request.body.is_empty() {
            init.set_body(&Uint8Array::from(request.body.as_ref()));
        }
        let global: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
        let promise = global.fetch_with_str_and_init(request.url.as_str(), &init);
        let response: web_sys::Response =
            JsFuture::from(promise).await.map_err(unreachable)?.dyn_into().map_err(unreachable)?;
        let headers = response_headers(&response.headers());
        Ok(UpstreamResponse { status: response.status(), body: body(&response, &headers, abort), headers })
    }
}

/// Aborts the request when this value is dropped, unless the response's body was read to its end.
struct Abort {
    controller: web_sys::AbortController,
    finished: bool,
}

impl Abort {
    fn new() -> Result<Self, FetchError> {
        let controller = web_sys::AbortController::new().map_err(unreachable)?;
        Ok(Self { controller, finished: false })
    }
}

/// Marks the body as read to its end: the request needs no abort any more.
fn finish(abort: Option<Abort>) {
    if let Some(mut abort) = abort {
        abort.finished = true;
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        if !self.finished {
            self.controller.abort();
        }
    }
}

fn response_headers(headers: &web_sys::Headers) -> HeaderMap {
    let entries = js_sys::try_iter(headers.as_ref()).ok().flatten();
    let mut map = HeaderMap::new();
    for entry in entries.into_iter().flatten().flatten() {
        let entry = js_sys::Array::from(&entry);
        let (Some(name), Some(value)) = (entry.get(0).as_string(), entry.get(1).as_string()) else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            map.append(name, value);
        }
    }
    map
}

fn body(response: &web_sys::Response, headers: &HeaderMap, abort: Option<Abort>) -> BodyStream {
    let is_small = announced_length(headers).is_some_and(|length| length <= SMALL);
    if is_small && let Ok(promise) = response.array_buffer() {
        let read = async move {
            let read = JsFuture::from(promise).await.map_err(broken);
            finish(abort);
            read.map(|buffer| Bytes::from(Uint8Array::new(&buffer).to_vec()))
        };
        return read.into_stream().boxed_local();
    }
    let Some(body) = response.body() else {
        finish(abort);
        return stream::empty().boxed_local();
    };
    let chunks = ByteStream::from(body);
    stream::unfold((chunks, abort), |(mut chunks, abort)| async move {
        let item = match chunks.next().await {
            Some(Ok(chunk)) => Ok(Bytes::from(chunk)),
            Some(Err(error)) => Err(FetchError::Broken(error.to_string())),
            None => {
                finish(abort);
                return None;
            }
        };
        Some((item, (chunks, abort)))
    })
    .boxed_local()
}

#[allow(clippy::needless_pass_by_value)] // `map_err` passes the error by value
fn unreachable(error: JsValue) -> FetchError {
    FetchError::Unreachable(text(&error))
}

#[allow(clippy::needless_pass_by_value)]
fn broken(error: JsValue) -> FetchError {
    FetchError::Broken(text(&error))
}

fn text(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{error:?}"),
    }
}
