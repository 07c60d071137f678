//! Requests of a component to other hosts: only to allowed hosts, over pooled connections, with streamed bodies.

use std::{
    error::Error as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::manifest::Component;

/// The HTTP client of the whole host, with its connections.
pub(crate) type Client = legacy::Client<HttpConnector, WasiBody>;

/// The work that remains after a response has arrived.
pub(crate) type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
/// A response, or the reason why there is none.
pub(crate) type Answer = Result<(Response<WasiBody>, Io), Error>;

const NO_LIMIT: Duration = Duration::from_mins(10);
/// How long a connection waits for its next request. Servers close idle connections, Node.js after five seconds unless
/// told otherwise, and a request that is sent at that moment fails.
const IDLE: Duration = Duration::from_secs(3);

/// The client that all instances share.
pub(crate) fn client() -> Client {
    let mut connector = HttpConnector::new();
    // Small parts of a stream must not wait for each other.
    connector.set_nodelay(true);
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

/// Sends the requests of one instance.
pub(crate) struct Outbound {
    component: Arc<Component>,
    client: Client,
}

impl Outbound {
    pub(crate) fn new(component: Arc<Component>, client: Client) -> Self {
        Self { component, client }
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Io,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        if !self.component.allowed_hosts.allows(request.uri()) {
            eprintln!(
                "{}: allowed_outbound_hosts does not have {}",
                self.component.id,
                request.uri().authority().map_or("", |authority| authority.as_str())
            );
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        if request.uri().scheme() == Some(&Scheme::HTTPS) {
            // Tests stay on this machine, without TLS.
            eprintln!("{}: this host does not speak TLS", self.component.id);
            return Box::new(async { Err(Error::TlsProtocolError) });
        }
        Box::new(pooled(self.client.clone(), request, options))
    }
}

async fn pooled(client: Client, request: Request<WasiBody>, options: Option<RequestOptions>) -> Answer {
    let limit = |read: fn(RequestOptions) -> Option<Duration>| options.and_then(read).unwrap_or(NO_LIMIT);
    let first = limit(|options| options.connect_timeout) + limit(|options| options.first_byte_timeout);
    let between = limit(|options| options.between_bytes_timeout);
    let response = timeout(first, client.request(request))
        .await
        .map_err(|_| Error::ConnectionReadTimeout)?
        .map_err(|error| to_wasi(&error))?;
    let body =
        |body| Limited { body, between, pause: Box::pin(sleep(between)), waiting: false }.boxed_unsync();
    Ok((response.map(body), Box::new(async { Ok(()) })))
}

fn to_wasi(error: &legacy::Error) -> Error {
    eprintln!("outbound request: {error}: {:?}", error.source());
    if error.is_connect() { Error::ConnectionRefused } else { Error::HttpProtocolError }
}

/// A body whose parts must not be too far apart in time.
struct Limited {
    body: Incoming,
    between: Duration,
    pause: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Body for Limited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::Hyper)));
        }
        if !self.waiting {
            self.waiting = true;
            let end = Instant::now() + self.between;
            self.pause.as_mut().reset(end);
        }
        self.pause.as_mut().poll(context).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
