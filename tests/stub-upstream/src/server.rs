//! Running a stub: its options, its thread, its listener, and the route from a path to its answer.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, thread::JoinHandle};

use anyhow::{Context as _, Result};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    body::{self, Body},
    endpoint::{self, Endpoint},
    guard, helper, misbehave,
    query::Target,
    state::{Recorded, State},
};

/// How a stub behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// How many filler tools (`tool_000` …) follow the real ones.
    pub extra_tools: usize,
    /// How many tools a page of `tools/list` holds; all on one page when absent.
    pub page_size: Option<usize>,
    /// The bearer token that the MCP endpoints demand.
    pub require_bearer: Option<String>,
    /// Whether requests are recorded. Off for load tests, where the record would grow without end.
    pub record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, extra_tools: 0, page_size: None, require_bearer: None, record: true }
    }
}

/// A running stub. Dropping the stub stops it and closes its connections.
pub struct Stub {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stub {
    /// Starts a stub on a thread of its own, and returns once the stub listens.
    pub fn start(options: Options) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", options.port))
            .with_context(|| format!("cannot listen on 127.0.0.1:{}", options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(options));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let serving = state.clone();
        let thread = std::thread::Builder::new().name("stub-upstream".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, state, stop: Some(stop), thread: Some(thread) })
    }

    /// The URL of a path such as `/legacy`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address that the stub listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request received so far, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.recorded()
    }

    /// Forgets the requests received so far.
    pub fn forget_requests(&self) {
        self.state.forget_recorded();
    }

    /// Lets the next event of a `gated_progress` call with this gate pass. A release may come before the call.
    pub fn release(&self, gate: &str) {
        self.state.gate(gate).add_permits(1);
    }

    /// How many event streams the peer closed before they were over.
    pub fn cancelled_streams(&self) -> u64 {
        self.state.cancellations().total()
    }

    /// Adds a tool to the catalogue, or replaces the tool of the same name.
    pub fn set_tool(&self, definition: Value) {
        self.state.tools_mut().set(definition);
    }

    /// Removes a tool from the catalogue. Returns `false` if there is no tool of that name.
    pub fn remove_tool(&self, name: &str) -> bool {
        self.state.tools_mut().remove(name)
    }

    /// Answers every request with this status from now on; with `None` the stub works again.
    pub fn break_with(&self, status: Option<StatusCode>) {
        self.state.break_with(status);
    }

    /// Forgets every legacy session, as a restarted server would.
    pub fn forget_sessions(&self) {
        self.state.end_all_sessions();
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread's only way to fail is a panic, which has been printed.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        // A failed accept concerns one connection; the listener works on.
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let _ = socket.set_nodelay(true);
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let state = state.clone();
                async move { Ok::<_, Infallible>(handle(state, request).await) }
            });
            // An error here is a peer that closed the connection, or a deliberately broken connection.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn handle(state: Arc<State>, request: Request<Incoming>) -> Response<Body> {
    let (head, incoming) = request.into_parts();
    let Ok(body) = incoming.collect().await.map(http_body_util::Collected::to_bytes) else {
        return body::text(StatusCode::BAD_REQUEST, "the body broke off");
    };
    let target = Target::of(&head.uri);
    let segments = target.segments();
    if segments.first() == Some(&"requests") {
        return requests(&state, &head.method);
    }
    state.record(|| Recorded {
        method: head.method.clone(),
        path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: head.headers.clone(),
        body: body.clone(),
    });
    match *segments.as_slice() {
        ["helper", name] => return helper::answer(name, &head, &target, &body).await,
        ["release", gate] => {
            state.gate(gate).add_permits(1);
            return body::empty(StatusCode::NO_CONTENT);
        }
        _ => {}
    }
    if let Some(status) = state.broken() {
        return body::text(status, "broken, as you asked");
    }
    if let Some(refusal) = refuse_stranger(&state, &head.headers) {
        return refusal;
    }
    let segments = match guard::pass(&segments, &head.headers) {
        Ok(segments) => segments,
        Err(answer) => return *answer,
    };
    match Endpoint::at(segments, &target) {
        Some(endpoint) => endpoint::answer(&state, &endpoint, &head, &body).await,
        None => misbehave::answer(segments, &target, &body).await,
    }
}

fn refuse_stranger(state: &State, headers: &http::HeaderMap) -> Option<Response<Body>> {
    let wanted = state.options.require_bearer.as_deref()?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given.and_then(|value| value.strip_prefix("Bearer ")) == Some(wanted) {
        return None;
    }
    let mut response = body::json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_token"}));
    body::set(&mut response, header::WWW_AUTHENTICATE, "Bearer realm=\"stub\", error=\"invalid_token\"");
    Some(response)
}

fn requests(state: &State, method: &Method) -> Response<Body> {
    if method == Method::DELETE {
        state.forget_recorded();
        return body::empty(StatusCode::NO_CONTENT);
    }
    let recorded: Vec<Value> = state
        .recorded()
        .iter()
        .map(|request| {
            json!({
                "method": request.method.as_str(),
                "path": request.path,
                "headers": helper::headers_as_json(&request.headers),
                "body": String::from_utf8_lossy(&request.body),
            })
        })
        .collect();
    body::json(StatusCode::OK, &Value::Array(recorded))
}
