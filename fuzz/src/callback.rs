//! The target that runs a whole Postern: the query of an OAuth callback, whose page is compared with a second
//! reading of the standards.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use kernel::ports::{Fetch, FetchError, Outgoing, UpstreamResponse};
use kernel::secret::Secret;
use native::App;
use postern_core::model::oauth_client::{AuthMethod, OauthClient};
use postern_core::model::oauth_flow::Flow;
use postern_core::store::oauth_flows;
use serde_json::json;

const STATE: &str = "known-state";
/// A user whose key exists.
const OWNER: &str = "apikey:bootstrap";
const ISSUER: &str = "https://as.example.com";
const ERRORS: [&str; 12] = [
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
    "invalid_target",
];

struct World {
    runtime: tokio::runtime::Runtime,
    app: App,
    dialled: Rc<Cell<usize>>,
    integration: String,
}

thread_local! {
    static WORLD: World = World::new();
}

/// A network in which no request gets an answer. Counts the requests.
struct Silence(Rc<Cell<usize>>);

#[async_trait(?Send)]
impl Fetch for Silence {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        assert_eq!(request.url.as_str(), "https://as.example.com/token");
        self.0.set(self.0.get() + 1);
        Err(FetchError::Unreachable("silence".to_owned()))
    }
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let settings = [("ALLOW_LOOPBACK_UPSTREAMS", "false"), ("PUBLIC_URL", "https://postern.example.com")];
        let mut app = App::new(
            [oauth_callback::families(), integrations::families()].into_iter().flatten().collect(),
            &settings,
        );
        let dialled = Rc::new(Cell::new(0));
        app.platform.ports.fetcher = Rc::new(Silence(Rc::clone(&dialled)));
        let body = json!({ "name": "U", "url": "https://mcp.example.com/mcp", "authMode": "oauth" });
        let created = runtime.block_on(app.admin(Method::POST, "/api/v1/integrations", body)).json();
        let integration = created["integration"]["id"].as_str().expect("created").to_owned();
        Self { runtime, app, dialled, integration }
    }

    async fn begin(&self) {
        let platform = &self.app.platform;
        oauth_flows::take(platform, STATE).await.expect("a database");
        let client = OauthClient {
            client_id: "c".to_owned(),
            client_secret: None,
            auth_method: AuthMethod::None,
            registered: false,
        };
        let flow = Flow {
            verifier: Secret::new("v".to_owned()),
            issuer: Some(ISSUER.to_owned()),
            iss_required: true,
            token_endpoint: format!("{ISSUER}/token"),
            revocation_endpoint: None,
            resource: None,
            scope: None,
            redirect_uri: "https://postern.example.com/oauth/callback".to_owned(),
            client,
            return_url: None,
            browser: None,
            actor: OWNER.to_owned(),
            origin: None,
        };
        let end = platform.now() + std::time::Duration::from_secs(600);
        let kept = oauth_flows::insert(platform, &self.integration, OWNER, STATE, &flow, end).await;
        kept.expect("a database");
    }
}

/// Sends a query string to the callback and checks the page and the number of token requests.
pub fn callback(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let uri = format!("/oauth/callback?{query}");
    // A text that is no URI never reaches the route, and a browser does not send what follows a `#`.
    if query.contains('#') || uri.parse::<http::Uri>().is_err() {
        return;
    }
    WORLD.with(|world| {
        world.runtime.block_on(async {
            world.begin().await;
            world.dialled.set(0);
            let reply = world.app.send(Method::GET, &uri, &[], "").await;
            let (text, exchanges) = expected(query);
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query:?}");
            assert_eq!(world.dialled.get(), exchanges, "{query:?}");
            assert_eq!(reply.text, page(&text), "{query:?}");
            assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
            assert!(reply.header("set-cookie").is_empty() && reply.header("location").is_empty());
        });
    });
}

/// The text that the page must show, and the number of requests to the token endpoint.
fn expected(query: &str) -> (String, usize) {
    let says = |text: &str| (text.to_owned(), 0);
    let value = |name| parameter(query, name);
    if value("state").as_deref() != Some(STATE) {
        return says("This sign-in is unknown, was already used or has expired. Start it again.");
    }
    if value("iss").as_deref() != Some(ISSUER) {
        return says("The answer does not come from the authorization server that was asked.");
    }
    if let Some(error) = value("error") {
        let known = ERRORS.contains(&error.as_str());
        let error = if known { &error } else { "an error that it did not name as the standard does" };
        return says(&format!("The authorization server answered: {error}"));
    }
    if value("code").is_none() {
        return says("The authorization server&#x27;s answer has no code.");
    }
    ("the token endpoint did not answer".to_owned(), 1)
}

fn page(text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not connected</title></head>\
         <body><h1>Not connected</h1><p>{text}</p></body></html>\n"
    )
}

/// The first value of `name` that is not empty, by the decoding rules of forms.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut decoded = pairs.map(|(key, value)| (decode(key), decode(value)));
    decoded.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value)
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex =
            bytes.get(at + 1..at + 3).filter(|hex| byte == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(hex.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
