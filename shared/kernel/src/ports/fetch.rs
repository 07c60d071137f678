//! The outbound HTTP port. A request carries a [`SafeUrl`], so it has passed `net`; redirects are never followed.
//!
//! Adapters send and stream; the limits are enforced here, once, for all of them: [`Ports::fetch`] races the
//! adapter against a watchdog and counts the body's bytes. Dropping the response cancels the request.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, LocalBoxFuture, poll_fn, select};
use futures_util::stream::{self, LocalBoxStream};
use futures_util::{FutureExt, StreamExt, pin_mut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};

use super::{Clock, Ports, Timestamp};
use crate::net::SafeUrl;

/// A response body, chunk by chunk as it arrives.
pub type BodyStream = LocalBoxStream<'static, Result<Bytes, FetchError>>;

/// How long and how much one upstream exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest silence: before the response's head, and between two chunks of its body.
    pub idle: Duration,
    /// Longest time for the whole exchange, even while the upstream keeps talking.
    pub total: Duration,
    /// Most bytes of body.
    pub max_bytes: u64,
}

/// A request to an upstream.
#[derive(Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Where to; only `net` makes one.
    pub url: SafeUrl,
    /// All headers to send, credentials included.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// Its limits.
    pub limits: Limits,
    /// What giving it up before the response's head may cost.
    pub release: Release,
}

/// When the connection of a request is given back that was given up before the response's head arrived. (With the head
/// there, dropping the body always gives it back at once.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// At once. For work that makes many requests: connections are few.
    AtOnce,
    /// At the latest when the request that is being answered is over. Cheaper on some runtimes; for a request that
    /// is the last one its caller makes.
    WithCaller,
}

/// An upstream's answer: the head is there, the body may still be on its way.
pub struct UpstreamResponse {
    /// HTTP status, redirects included.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: BodyStream,
}

/// Why an exchange failed. The texts in `Unreachable` and `Broken` are for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke before the response's head.
    #[error("unreachable")]
    Unreachable(String),
    /// The connection broke in the middle of the body.
    #[error("the connection broke off")]
    Broken(String),
    /// Silent for longer than `Limits::idle`, or unfinished after `Limits::total`.
    #[error("timed out")]
    Timeout,
    /// More than `Limits::max_bytes` of body.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// Sends HTTP requests. Implementations follow no redirect and enforce no limit (see [`Ports::fetch`]).
#[async_trait(?Send)]
pub trait Fetch {
    /// Sends `request` and returns once the response's head is there.
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError>;
}

impl Ports {
    /// Sends `request` within its limits.
    pub async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        let limits = request.limits;
        let mut watchdog = Watchdog::new(Rc::clone(&self.clock), limits);
        let fetching = self.fetcher.fetch(request);
        let response = {
            let expiry = poll_fn(|cx| watchdog.poll(cx));
            pin_mut!(expiry);
            match select(fetching, expiry).await {
                Either::Left((response, _)) => response?,
                Either::Right(((), _)) => return Err(FetchError::Timeout),
            }
        };
        watchdog.touch();
        if announced_length(&response.headers).is_some_and(|length| length > limits.max_bytes) {
            return Err(FetchError::TooLarge { limit: limits.max_bytes });
        }
        Ok(UpstreamResponse { body: limited(response.body, watchdog, limits.max_bytes), ..response })
    }
}

/// The length that `Content-Length` announces.
pub fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a whole body; its size is already limited by [`Ports::fetch`].
pub async fn collect(mut body: BodyStream) -> Result<Bytes, FetchError> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let Some(second) = body.next().await.transpose()? else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = body.next().await {
        whole.extend_from_slice(&chunk?);
    }
    Ok(whole.freeze())
}

fn limited(mut body: BodyStream, mut watchdog: Watchdog, max_bytes: u64) -> BodyStream {
    let mut left = max_bytes;
    let mut done = false;
    stream::poll_fn(move |cx| {
        if done {
            return Poll::Ready(None);
        }
        let item = match body.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                watchdog.touch();
                let size = chunk.len() as u64;
                let fits = size <= left;
                left = left.saturating_sub(size);
                Some(if fits { Ok(chunk) } else { Err(FetchError::TooLarge { limit: max_bytes }) })
            }
            Poll::Ready(other) => other,
            Poll::Pending if watchdog.poll(cx).is_ready() => Some(Err(FetchError::Timeout)),
            Poll::Pending => return Poll::Pending,
        };
        done = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    })
    .boxed_local()
}

/// Fires when nothing was heard for `idle`, or `total` is over. One timer serves the whole exchange: it is armed
/// again only when it goes off.
struct Watchdog {
    clock: Rc<dyn Clock>,
    idle: Duration,
    end: Timestamp,
    heard: Timestamp,
    timer: LocalBoxFuture<'static, ()>,
}

impl Watchdog {
    fn new(clock: Rc<dyn Clock>, limits: Limits) -> Self {
        let heard = clock.now();
        let timer = Self::arm(&clock, limits.idle.min(limits.total));
        Self { clock, idle: limits.idle, end: heard + limits.total, heard, timer }
    }

    fn arm(clock: &Rc<dyn Clock>, duration: Duration) -> LocalBoxFuture<'static, ()> {
        let clock = Rc::clone(clock);
        async move { clock.sleep(duration).await }.boxed_local()
    }

    fn touch(&mut self) {
        self.heard = self.clock.now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.poll_unpin(cx).is_ready() {
            let now = self.clock.now();
            let due = (self.heard + self.idle).min(self.end);
            if now >= due {
                return Poll::Ready(());
            }
            self.timer = Self::arm(&self.clock, due.since(now));
        }
        Poll::Pending
    }
}
