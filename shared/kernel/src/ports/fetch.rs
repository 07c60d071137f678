//! The outbound HTTP port. The URL of a request is a [`SafeUrl`], so it has passed the rules of `net`; redirects are
//! never followed.
//!
//! A runtime's adapter only sends and streams. The limits are enforced here, once for all adapters: [`Ports::fetch`]
//! races the adapter against a watchdog and counts the body's bytes. Dropping the response cancels the request.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_recursion::async_recursion;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, LocalBoxFuture, poll_fn, select};
use futures_util::stream::{self, LocalBoxStream};
use futures_util::{FutureExt, StreamExt, pin_mut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};

use super::{Client, Clock, Ports, Timestamp};
use crate::net::SafeUrl;

/// The body of a response, chunk by chunk as it arrives.
pub type BodyStream = LocalBoxStream<'static, Result<Bytes, FetchError>>;

/// The limits of one exchange with an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest silence: before the response's head, and between two chunks of its body.
    pub idle: Duration,
    /// The longest time for the whole exchange, even while the upstream keeps sending.
    pub total: Duration,
    /// The most bytes of the response's body.
    pub max_bytes: u64,
}

/// A request to an upstream.
#[derive(Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The URL, which has passed the rules of `net`.
    pub url: SafeUrl,
    /// All headers, including credentials.
    pub headers: HeaderMap,
    /// The body; empty if the request has none.
    pub body: Bytes,
    /// The limits of the exchange.
    pub limits: Limits,
    /// When the connection is released if the request is given up before the response's head has arrived.
    pub release: Release,
}

/// When the connection of a request is released that was given up before the response's head had arrived. (Once the
/// head has arrived, dropping the body always releases the connection at once.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// At once. For work that makes many requests, since a runtime has few connections.
    AtOnce,
    /// At the latest when Postern's answer to its own client is complete. Cheaper on some runtimes; for the last
    /// request that an answer needs. Such a request also ends, as [`FetchError::ClientLeft`], soon after that client
    /// has left.
    WithCaller,
}

/// An upstream's response: its head has arrived, its body may still be arriving.
pub struct UpstreamResponse {
    /// The HTTP status; redirects are returned like every other status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: BodyStream,
}

/// Why an exchange failed. The texts in `Unreachable` and `Broken` are for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection was made, or the connection broke before the response's head had arrived.
    #[error("unreachable")]
    Unreachable(String),
    /// The connection broke in the middle of the body.
    #[error("the connection broke off")]
    Broken(String),
    /// The upstream was silent for longer than `Limits::idle`, or the exchange took longer than `Limits::total`.
    #[error("timed out")]
    Timeout,
    /// Postern's own client has left, so that nobody waits for the upstream's response any more.
    #[error("the agent went away before the answer")]
    ClientLeft,
    /// The body has more than `Limits::max_bytes` bytes.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// Sends HTTP requests. Implementations follow no redirect and enforce no limit (see [`Ports::fetch`]).
#[async_trait(?Send)]
pub trait Fetch {
    /// Sends `request` and returns when the response's head has arrived.
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError>;
}

impl Ports {
    /// Sends `request` and enforces its limits, here and while the returned body is read.
    pub async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        let limits = request.limits;
        let client = matches!(request.release, Release::WithCaller).then(|| Rc::clone(&self.client));
        let mut watchdog = Watchdog::new(Rc::clone(&self.clock), client, limits);
        let fetching = self.fetcher.fetch(request);
        let response = {
            let expiry = poll_fn(|cx| watchdog.poll(cx));
            pin_mut!(expiry);
            match select(fetching, expiry).await {
                Either::Left((response, _)) => response?,
                Either::Right((reason, _)) => return Err(reason),
            }
        };
        watchdog.touch();
        if announced_length(&response.headers).is_some_and(|length| length > limits.max_bytes) {
            return Err(FetchError::TooLarge { limit: limits.max_bytes });
        }
        Ok(UpstreamResponse { body: limited(response.body, watchdog, limits.max_bytes), ..response })
    }
}

/// Returns the length in `Content-Length`; `None` if the header is missing or malformed.
pub fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a whole body; its size is already limited by [`Ports::fetch`].
#[async_recursion(?Send)]
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
            Poll::Pending => match watchdog.poll(cx) {
                Poll::Ready(reason) => Some(Err(reason)),
                Poll::Pending => return Poll::Pending,
            },
        };
        done = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    })
    .boxed_local()
}

/// How often the watchdog asks whether the client is still there. A runtime stops the work of a request about 30 s after
/// its client left: the exchange has to end, and its audit row has to be written, before that.
const LOOK: Duration = Duration::from_secs(10);

/// Fires when no byte has arrived for `idle`, when `total` is over, or when the client is found to have left. One timer
/// serves the whole exchange: the timer is armed again only when it fires too early.
struct Watchdog {
    clock: Rc<dyn Clock>,
    client: Option<Rc<dyn Client>>,
    idle: Duration,
    end: Timestamp,
    heard: Timestamp,
    timer: LocalBoxFuture<'static, ()>,
}

impl Watchdog {
    fn new(clock: Rc<dyn Clock>, client: Option<Rc<dyn Client>>, limits: Limits) -> Self {
        let heard = clock.now();
        let timer = Self::arm(&clock, limits.idle.min(limits.total));
        Self { clock, client, idle: limits.idle, end: heard + limits.total, heard, timer }
    }

    fn arm(clock: &Rc<dyn Clock>, duration: Duration) -> LocalBoxFuture<'static, ()> {
        let (clock, duration) = (Rc::clone(clock), duration.min(LOOK));
        async move { clock.sleep(duration).await }.boxed_local()
    }

    fn touch(&mut self) {
        self.heard = self.clock.now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<FetchError> {
        while self.timer.poll_unpin(cx).is_ready() {
            let now = self.clock.now();
            let due = (self.heard + self.idle).min(self.end);
            if now >= due {
                return Poll::Ready(FetchError::Timeout);
            }
            if self.client.as_ref().is_some_and(|client| client.has_left()) {
                return Poll::Ready(FetchError::ClientLeft);
            }
            self.timer = Self::arm(&self.clock, due.since(now));
        }
        Poll::Pending
    }
}
