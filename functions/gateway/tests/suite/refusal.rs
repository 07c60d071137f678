//! Upstreams that refuse a token: what that means for the connection and for the integration, and how often a user is
//! asked for more scopes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use http::Method;
use kernel::net::SafeUrl;
use kernel::secret::Secret;
use native::App;
use postern_core::client::CallError;
use postern_core::model::oauth_client::{AuthMethod, OauthClient};
use postern_core::model::target::{Transport, Upstream};
use postern_core::model::token_set::TokenSet;
use postern_core::oauth::refresh::renewed;
use postern_core::store::credentials::{TokenTimes, put_tokens, resolve, wanted_scope};
use postern_core::store::integrations as integrations_store;
use postern_core::upstream::dial::{WithoutCredential, dial};
use postern_core::vault::seal_tokens;
use serde_json::{Value, json};

const OWNER: &str = "apikey:bootstrap";

/// A server that answers every request with the status and the challenge that are set.
struct Refusing {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Refusing {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((401, String::new())));
        let current = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut buffer) = (stream.unwrap(), [0; 16 * 1024]);
                // Every request of a probe fits one read; its content does not matter.
                let _ = stream.read(&mut buffer);
                let (status, challenge) = current.lock().unwrap().clone();
                let head = format!(
                    "HTTP/1.1 {status} No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes());
            }
        });
        Self { url, answer }
    }

    fn answers(&self, status: u16, challenge: &str) {
        *self.answer.lock().unwrap() = (status, challenge.to_owned());
    }
}

/// Registers an integration at `url`, connects the admin without a refresh token, and returns the integration's id.
async fn connected(app: &App, url: &str) -> String {
    let body = json!({ "name": "Guarded", "url": url, "authMode": "oauth" });
    let created = app.admin(Method::POST, "/api/v1/integrations", body).await;
    let id = created.json()["integration"]["id"].as_str().expect("created").to_owned();
    app.settle().await;
    grant(app, &id).await;
    id
}

async fn grant(app: &App, id: &str) {
    let set = TokenSet {
        access_token: Secret::new("token".to_owned()),
        refresh_token: None,
        scope: Some("read".to_owned()),
        issuer: None,
        token_endpoint: "http://127.0.0.1:1/token".to_owned(),
        revocation_endpoint: None,
        resource: None,
        is_client_credentials: false,
        client: OauthClient {
            client_id: "postern".to_owned(),
            client_secret: None,
            auth_method: AuthMethod::None,
            registered: false,
        },
    };
    let integration = integrations_store::find(&app.platform, OWNER, id).await.unwrap().expect("registered");
    let credential = seal_tokens(&app.platform, &integration, OWNER, &set).unwrap();
    assert!(put_tokens(&app.platform, &credential, TokenTimes::default()).await.unwrap());
}

/// Probes the integration and returns (`validationStatus`, `validationMessage`, whether the caller is connected).
async fn validate(app: &App, id: &str) -> (String, String, bool) {
    let validated = app.admin(Method::POST, &format!("/api/v1/integrations/{id}/validate"), None).await;
    let integration: Value = validated.json()["integration"].clone();
    let text = |field: &str| integration[field].as_str().unwrap_or_default().to_owned();
    (
        text("validationStatus"),
        text("validationMessage"),
        integration["userConnection"]["connected"].as_bool().expect("an OAuth integration"),
    )
}

/// Makes an exchange with the owner's credential that the upstream refuses with 403 and this challenge. Returns why there
/// is no token for it.
async fn refused(app: &App, id: &str, challenge: &str) -> String {
    let found = integrations_store::find(&app.platform, OWNER, id).await.unwrap().expect("registered");
    let upstream = Upstream {
        integration_id: found.id.clone(),
        slug: found.slug.clone(),
        url: SafeUrl::parse(&found.content.url, app.platform.settings.net)
            .expect("a URL that may be dialled"),
        era: None,
        transport: Transport::Http,
        protocol_version: None,
        auth_mode: found.content.auth_mode,
        headers: None,
        needs_reauth: false,
        credential: resolve(&app.platform, id, OWNER).await.unwrap(),
    };
    let exchange = async |_: &Upstream| -> Result<(), CallError> {
        Err(CallError::AuthorizationRequired { status: 403, challenge: Some(challenge.to_owned()) })
    };
    let made = dial(&app.platform, OWNER, Rc::new(upstream), WithoutCredential::Stop, exchange).await;
    format!("{:?}", made.err().expect("no token"))
}

fn app() -> App {
    App::new(integrations::families(), &[])
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_connection_and_not_the_integration() {
    let (app, upstream) = (app(), Refusing::start());
    let id = connected(&app, &upstream.url).await;
    upstream.answers(401, "Bearer error=\"invalid_token\"");
    let (status, message, is_connected) = validate(&app, &id).await;
    assert_eq!(status, "valid", "{message}");
    assert_eq!(
        message, "reachable, authorization required: its tools are read once a user has connected",
        "how the integration is, is asked without the user's token"
    );
    assert!(!is_connected);
}

/// Another instance may still use the former credential when the upstream refuses its token.
#[tokio::test]
async fn a_refused_former_token_does_not_end_a_newer_connection() {
    let app = app();
    let id = connected(&app, "http://127.0.0.1:1/mcp").await;
    let former = resolve(&app.platform, &id, OWNER).await.unwrap().expect("connected");
    grant(&app, &id).await;
    let fresh = renewed(&app.platform, &id, &former).await.expect("the newer credential");
    let current = resolve(&app.platform, &id, OWNER).await.unwrap().expect("connected");
    assert_eq!((&fresh.id, &fresh.sealed), (&current.id, &current.sealed));
    assert_ne!(fresh.sealed, former.sealed);
}

#[tokio::test]
async fn more_rights_are_asked_for_a_bounded_number_of_times() {
    const MORE: &str = "Connect(\"the upstream wants more rights than were granted\")";
    let (app, upstream) = (app(), Refusing::start());
    let id = connected(&app, &upstream.url).await;
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"write\"";
    for attempt in 1..=3 {
        assert_eq!(refused(&app, &id, challenge).await, MORE, "attempt {attempt}");
        let wanted = wanted_scope(&app.platform, &id, OWNER).await.unwrap();
        assert_eq!(wanted.as_deref(), Some("read write"));
        // The user consents again and is granted the same scope, so the upstream asks for more again.
        grant(&app, &id).await;
    }
    assert_eq!(
        refused(&app, &id, challenge).await,
        "Failed(\"the upstream keeps asking for more rights than it is granted\")"
    );
    // A challenge for another scope is counted from zero.
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"admin\"";
    assert_eq!(refused(&app, &id, challenge).await, MORE);
    assert_eq!(wanted_scope(&app.platform, &id, OWNER).await.unwrap().as_deref(), Some("admin read"));
}

#[tokio::test]
async fn a_403_without_a_scope_challenge_asks_for_no_more_rights() {
    let (app, upstream) = (app(), Refusing::start());
    let id = connected(&app, &upstream.url).await;
    upstream.answers(403, "Bearer error=\"invalid_request\"");
    let (status, message, is_connected) = validate(&app, &id).await;
    assert_eq!(status, "invalid", "{message}");
    assert!(is_connected);
    assert_eq!(wanted_scope(&app.platform, &id, OWNER).await.unwrap(), None);
}
