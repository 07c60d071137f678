//! Clients that leave: at every await point of a request the runtime stops polling the handler's future, without
//! dropping it, and lets only the background work go on. No call lacks its row, no grant is lost, and no credential
//! outlives its disconnect.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::poll_fn;
use http::{HeaderMap, Method, StatusCode};
use kernel::ports::{Clock, Fetch, FetchError, Outgoing, Timestamp, UpstreamResponse};
use native::{App, TestClock};
use postern_core::audit::LONGEST;
use postern_core::model::credential::SealedCredential;
use postern_core::store::credentials::{self, TokenTimes};
use postern_core::store::integrations;
use postern_core::vault;
use serde_json::json;
use stub_upstream::Stub;

use crate::common::{app, audit, call, legacy, register, stub, text};

/// The subject of the admin key.
const OWNER: &str = "apikey:bootstrap";
/// More polls than any request here needs.
const MOST: usize = 400;

/// Polls `future` at most `polls` times, and then never again, without dropping it. Returns the output if the future
/// ended before.
async fn polled<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    let output = poll_fn(|cx| {
        let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = rest;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    std::mem::forget(future);
    output
}

/// An authorization server that rotates refresh tokens and takes each only once; other requests go to the real port.
struct Provider {
    inner: Rc<dyn Fetch>,
    /// The refresh token that is valid now.
    current: RefCell<String>,
    /// How many refresh tokens were issued.
    issued: Cell<u32>,
    /// How many refreshes came with another token than the current one.
    replayed: Cell<u32>,
    /// The tokens that were revoked, and whether the credential was stored at that time.
    revoked: RefCell<Vec<bool>>,
    app: RefCell<Option<Rc<native::Sqlite>>>,
}

impl Provider {
    fn before(app: &mut App) -> Rc<Self> {
        let provider = Rc::new(Self {
            inner: Rc::clone(&app.platform.ports.fetcher),
            current: RefCell::new("refresh-0".to_owned()),
            issued: Cell::new(0),
            replayed: Cell::new(0),
            revoked: RefCell::default(),
            app: RefCell::new(Some(Rc::clone(&app.database))),
        });
        app.platform.ports.fetcher = provider.clone();
        provider
    }

    /// Rotates at once, as a server does when the request arrives; the answer takes a while.
    async fn token(&self, form: &str) -> UpstreamResponse {
        let presented = form.split('&').find_map(|pair| pair.strip_prefix("refresh_token="));
        if presented != Some(self.current.borrow().as_str()) {
            self.replayed.set(self.replayed.get() + 1);
            return answer(400, json!({ "error": "invalid_grant" }).to_string());
        }
        self.issued.set(self.issued.get() + 1);
        let next = format!("refresh-{}", self.issued.get());
        self.current.replace(next.clone());
        some_time().await;
        let set =
            json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 3600, "refresh_token": next });
        answer(200, set.to_string())
    }

    async fn revoke(&self) -> UpstreamResponse {
        let stored = self.app.borrow().as_ref().map_or(0, |database| database.count("credentials"));
        self.revoked.borrow_mut().push(stored > 0);
        some_time().await;
        answer(200, String::new())
    }
}

async fn some_time() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

fn answer(status: u16, body: String) -> UpstreamResponse {
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "application/json".parse().unwrap())]);
    let body = futures_util::stream::once(async move { Ok(Bytes::from(body)) }).boxed_local();
    UpstreamResponse { status, headers, body }
}

#[async_trait(?Send)]
impl Fetch for Provider {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        match request.url.as_str() {
            "https://as.example.com/token" => {
                Ok(self.token(std::str::from_utf8(&request.body).unwrap()).await)
            }
            "https://as.example.com/revoke" => Ok(self.revoke().await),
            _ => self.inner.fetch(request).await,
        }
    }
}

/// Registers an integration whose users connect by OAuth; its upstream accepts every token.
async fn connected(app: &App, stub: &Stub) -> String {
    let id = register(app, "Up", &stub.url("/modern")).await;
    app.settle().await;
    app.rows("UPDATE integrations SET auth_mode = 'oauth' RETURNING id").await.unwrap();
    id
}

/// Gives the admin a grant whose access token ends at once.
async fn connect(app: &App, integration: &str, refresh_token: &str) {
    let set = serde_json::from_value(json!({
        "access_token": "a", "refresh_token": refresh_token, "token_endpoint": "https://as.example.com/token",
        "revocation_endpoint": "https://as.example.com/revoke",
        "client": { "client_id": "c", "auth_method": "none" },
    }));
    let integration = integrations::find(&app.platform, OWNER, integration).await.unwrap().unwrap();
    let credential = vault::seal_tokens(&app.platform, &integration, OWNER, &set.unwrap()).unwrap();
    let times = TokenTimes { expires_at: Some(app.platform.now()), refresh_at: None };
    assert!(credentials::put_tokens(&app.platform, &credential, times).await.unwrap());
}

async fn stored(app: &App, integration: &str) -> Option<SealedCredential> {
    credentials::resolve(&app.platform, integration, OWNER).await.unwrap()
}

#[tokio::test]
async fn wherever_an_agent_leaves_its_call_has_one_row() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    let mut left = Vec::new();
    for polls in 1..MOST {
        let message = call(json!(1), "up__echo", json!({ "message": polls.to_string() }));
        let ended = polled(legacy(&app, &app.admin, "/mcp", message), polls).await.is_some();
        left.push(polls);
        if ended {
            break;
        }
    }
    assert!((3..MOST - 1).contains(&left.len()), "{} await points", left.len());
    app.settle().await;
    // The events of requests that are not polled any more are found after the longest time that a call may take.
    app.clock.advance(LONGEST + Duration::from_secs(1));
    legacy(&app, &app.admin, "/mcp", call(json!(1), "up__echo", json!({ "message": "last" }))).await;
    app.settle().await;
    let rows = app
        .rows("SELECT parameters ->> '$.message' FROM audit_events WHERE tool_name = 'up__echo'")
        .await
        .unwrap();
    let found: Vec<String> = rows.into_iter().map(|row| row.read().text().unwrap()).collect();
    // A request that was given up before its message was read called nothing.
    let begun: Vec<String> =
        left.iter().map(ToString::to_string).filter(|polls| found.contains(polls)).collect();
    let first = begun.first().expect("a row").parse::<usize>().unwrap();
    assert!(first <= 3, "the first row is of the request with {first} polls");
    assert_eq!(found.len(), left.len() - (first - 1) + 1, "each call once: {found:?}");
}

#[tokio::test]
async fn wherever_an_agent_leaves_a_refresh_keeps_the_grant() {
    let (mut app, stub) = (app(&[]), stub());
    let provider = Provider::before(&mut app);
    let id = connected(&app, &stub).await;
    let mut ended = None;
    for polls in 1..MOST {
        let current = provider.current.borrow().clone();
        connect(&app, &id, &current).await;
        let message = call(json!(1), "up__echo", json!({ "message": "x" }));
        ended = polled(legacy(&app, &app.admin, "/mcp", message), polls).await;
        app.settle().await;
        let credential = stored(&app, &id).await.expect("still connected");
        let set = vault::open_tokens(&app.platform, &credential).expect("tokens");
        let kept = set.refresh_token.expect("a refresh token").expose().clone();
        assert_eq!(kept, *provider.current.borrow(), "given up after {polls} polls");
        if ended.is_some() {
            break;
        }
    }
    assert_eq!(text(&ended.expect("an answer in the end")), "Echo: x");
    assert!(provider.issued.get() > 3, "{} refreshes", provider.issued.get());
    assert_eq!(provider.replayed.get(), 0);
}

#[tokio::test]
async fn wherever_a_user_leaves_a_disconnect_deletes_before_it_revokes() {
    let (mut app, stub) = (app(&[]), stub());
    let provider = Provider::before(&mut app);
    let id = connected(&app, &stub).await;
    let path = format!("/api/v1/integrations/{id}/connection");
    let mut cut = 0;
    for polls in 1..MOST {
        connect(&app, &id, "refresh-0").await;
        let revoked = provider.revoked.borrow().len();
        let ended = polled(app.admin(Method::DELETE, &path, None), polls).await;
        app.settle().await;
        let begun = provider.revoked.borrow().len() > revoked;
        let still = stored(&app, &id).await.is_some();
        assert!(!(begun && still), "given up after {polls} polls: revoked and kept");
        if let Some(reply) = ended {
            assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text);
            assert!(begun && !still);
            break;
        }
        cut += usize::from(begun);
    }
    assert!(cut > 0, "no request was given up during the revocation");
    assert!(provider.revoked.borrow().iter().all(|stored| !stored), "the credential is deleted first");
}

/// A clock that runs a hundred times as fast.
struct Fast(Rc<TestClock>);

#[async_trait(?Send)]
impl Clock for Fast {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / 100).await;
        self.0.advance(duration);
    }
}

/// Where the runtime tells that the client has left, a call ends soon after, long before its upstream's time is over.
#[tokio::test]
async fn a_call_ends_soon_after_its_agent_has_left() {
    let (mut app, stub) = (app(&[("UPSTREAM_TIMEOUT_MS", "300000")]), stub());
    register(&app, "Up", &stub.url("/hang-call")).await;
    app.settle().await;
    app.platform.ports.clock = Rc::new(Fast(Rc::clone(&app.clock)));
    app.client.leave();
    let began = app.platform.now();
    legacy(&app, &app.admin, "/mcp", call(json!(1), "up__echo", json!({ "message": "x" }))).await;
    let took = app.platform.now().since(began);
    assert!(took < Duration::from_secs(15), "{took:?}");
    let rows = audit(&app).await;
    assert_eq!((rows.len(), rows[0].1), (1, 0));
    assert!(rows[0].3.as_deref().unwrap().ends_with("the agent went away before the answer"), "{rows:?}");
}
