//! A whole Postern in the test's own process: the router over the native ports.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use http::{HeaderMap, Method, StatusCode};
use kernel::Result;
use kernel::digest::sha256_hex;
use kernel::ports::Ports;
use kernel::secret::Secret;
use postern_core::model::api_key::{ApiKey, generate, local_email, principal};
use postern_core::model::credential::ORGANIZATION;
use postern_core::model::integration::{AuthMode, Category, Integration, State, ToolPolicy};
use postern_core::model::oauth_client::{AuthMethod, OauthClient};
use postern_core::model::oauth_flow::Flow;
use postern_core::registry::draft::Draft;
use postern_core::registry::place::{Placing, place};
use postern_core::settings::Settings;
use postern_core::store::oauth_flows;
use postern_core::store::rate_limits::SqlCounter;
use postern_core::{Platform, Router, Routes};
use serde_json::Value;
use web::Body;
use web::request::ClientAddress;

use crate::limits::{Limits, limited};
use crate::{Later, MemoryKv, NativeFetch, OsRandom, Sqlite, TestClient, TestClock};

/// Postern with one admin key.
pub struct App {
    /// The ports and settings, for tests that look behind the routes.
    pub platform: Platform,
    /// The database behind `platform.sql`.
    pub database: Rc<Sqlite>,
    /// The cache behind `platform.kv`.
    pub kv: Rc<MemoryKv>,
    /// The clock behind `platform.clock`.
    pub clock: Rc<TestClock>,
    /// The client behind `platform.client`.
    pub client: Rc<TestClient>,
    /// The admin key.
    pub admin: String,
    later: Rc<Later>,
    limits: Cell<Limits>,
    /// The client's address of further requests, where a test is about it.
    pub address: Cell<Option<IpAddr>>,
    router: Router,
}

/// A response whose whole body was read.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub text: String,
}

impl Reply {
    /// The body as JSON; null when the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header as text, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl App {
    /// Postern with these routes, where loopback upstreams are allowed and an upstream times out after 2 s.
    /// `settings` are added, or replace those.
    pub fn new(tables: Vec<Routes>, settings: &[(&str, &str)]) -> Self {
        Self::over(Sqlite::migrated(), tables, settings)
    }

    /// Postern without routes on an empty database.
    pub fn unmigrated() -> Self {
        Self::over(Sqlite::empty(), Vec::new(), &[])
    }

    /// Postern with these routes on a given database.
    pub fn over(database: Sqlite, tables: Vec<Routes>, settings: &[(&str, &str)]) -> Self {
        let (admin, _) = generate(&OsRandom).expect("randomness");
        let admin = admin.expose().clone();
        let lookup = |name: &str| {
            let given =
                settings.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            given.or_else(|| match name {
                "ENCRYPTION_KEY" => Some(base64::engine::general_purpose::STANDARD.encode([7; 32])),
                "BOOTSTRAP_ADMIN_KEY" => Some(admin.clone()),
                "ALLOW_LOOPBACK_UPSTREAMS" => Some("true".to_owned()),
                "UPSTREAM_TIMEOUT_MS" => Some("2000".to_owned()),
                _ => None,
            })
        };
        let settings = Rc::new(Settings::load(lookup).expect("usable settings"));
        let (database, kv) = (Rc::new(database), Rc::new(MemoryKv::default()));
        let (clock, later) = (Rc::new(TestClock::default()), Rc::new(Later::default()));
        let client = Rc::new(TestClient::default());
        let ports = Ports {
            sql: database.clone(),
            kv: kv.clone(),
            fetcher: Rc::new(NativeFetch::default()),
            clock: clock.clone(),
            random: Rc::new(OsRandom),
            background: later.clone(),
            client: client.clone(),
            rate_limit: Rc::new(SqlCounter::new(database.clone())),
            memory: Rc::default(),
        };
        let platform = Platform { ports, settings };
        let router = Router::new(tables).expect("routes without clashes");
        Self {
            platform,
            database,
            kv,
            clock,
            client,
            admin,
            later,
            limits: Cell::new(Limits::FREE),
            address: Cell::default(),
            router,
        }
    }

    /// The platform of one more invocation, as a runtime makes it for a request or a cron event: with the limits of a
    /// free plan, unless [`Self::limit`] set others.
    pub fn invocation(&self) -> Platform {
        let settings = Rc::clone(&self.platform.settings);
        Platform { ports: limited(&self.platform.ports, self.limits.get()), settings }
    }

    /// Sets how much each further invocation may do.
    pub fn limit(&self, limits: Limits) {
        self.limits.set(limits);
    }

    /// Stores a key with these roles and returns its text.
    pub async fn key(&self, name: &str, roles: &[&str], lifetime: Option<Duration>) -> String {
        let (text, id) = generate(&OsRandom).expect("randomness");
        let key = ApiKey {
            principal: principal(&id),
            id,
            name: name.to_owned(),
            hash: sha256_hex(text.expose().as_bytes()),
            email: local_email(name),
            description: None,
            roles: roles.iter().map(ToString::to_string).collect(),
            expires_at: lifetime.map(|lifetime| self.platform.now() + lifetime),
        };
        postern_core::store::api_keys::insert(&self.platform, &key).await.expect("the key is stored");
        text.expose().clone()
    }

    /// Returns the subject of the key `name`: what its principal is known by in rows.
    pub async fn subject(&self, name: &str) -> String {
        let sql = kernel::ports::Statement::new("SELECT principal FROM api_keys WHERE name = ?1");
        let rows = self.platform.sql.query(sql.bind(name)).await.expect("a query");
        rows.into_iter().next().expect("a key of this name").read().text().expect("a text")
    }

    /// Registers an upstream without a credential, past every route, so that nothing is asked of the upstream.
    pub async fn place(&self, name: &str, url: &str, auth_mode: AuthMode) -> Integration {
        self.place_draft(&draft(name, url, auth_mode), State::Running).await
    }

    /// Registers what `draft` says, as [`Self::place`] does, in this state.
    pub async fn place_draft(&self, draft: &Draft, state: State) -> Integration {
        let placing = Placing { slug: None, state, revives: false, viewer: ORGANIZATION };
        place(&self.platform, draft, &placing).await.expect("the integration is stored")
    }

    /// Stores an authorization under `state`, as if `owner` had begun it at a server with this token endpoint while the
    /// integration had this origin.
    pub async fn begun(
        &self,
        integration: &str,
        owner: &str,
        state: &str,
        token_endpoint: &str,
        origin: Option<&str>,
    ) {
        let client = OauthClient {
            client_id: "c".to_owned(),
            client_secret: None,
            auth_method: AuthMethod::None,
            registered: false,
        };
        let flow = Flow {
            verifier: Secret::new("v".to_owned()),
            issuer: None,
            iss_required: false,
            token_endpoint: token_endpoint.to_owned(),
            revocation_endpoint: None,
            resource: None,
            scope: None,
            redirect_uri: "https://postern.test/oauth/callback".to_owned(),
            client,
            return_url: None,
            browser: None,
            actor: owner.to_owned(),
            origin: origin.map(ToOwned::to_owned),
        };
        let end = self.platform.now() + Duration::from_mins(1);
        let stored = oauth_flows::insert(&self.platform, integration, owner, state, &flow, end).await;
        stored.expect("the flow is stored");
    }

    /// Sends a request with the admin key.
    pub async fn admin(&self, method: Method, path: &str, body: impl Into<Option<Value>>) -> Reply {
        let body = body.into().map_or_else(String::new, |body| body.to_string());
        self.send(method, path, &[("authorization", &format!("Bearer {}", self.admin))], body).await
    }

    /// Sends a request with exactly these headers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) -> Reply {
        let body: String = body.into();
        self.send_body(method, path, headers, if body.is_empty() { Body::Empty } else { body.into() }).await
    }

    /// Sends a request with any body.
    pub async fn send_body(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Reply {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let platform = self.invocation();
        let mut request = request.body(body).expect("a request");
        if let Some(address) = self.address.get() {
            request.extensions_mut().insert(ClientAddress(address));
        }
        let response = self.router.handle(Ok(&platform), request).await;
        let (parts, mut body) = response.into_parts();
        let bytes = body.collect(usize::MAX).await.expect("a whole body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Reply { status: parts.status, headers: parts.headers, text }
    }

    /// Forgets all the work that was left for after the response, as a runtime does that stops it: no future is polled
    /// again, and none is dropped.
    pub fn cut_off(&self) {
        self.later.cut_off();
    }

    /// Waits for all the work that was left for after the response.
    pub async fn settle(&self) {
        self.later.settle().await;
    }

    /// The rows of a query, for tests that look at the database itself.
    ///
    /// # Errors
    /// The database's error.
    pub async fn rows(&self, sql: &'static str) -> Result<Vec<kernel::ports::Row>> {
        Ok(self.platform.sql.query(kernel::ports::Statement::new(sql)).await?)
    }
}

/// A proxied upstream without a credential, to which every tool is offered that it has.
pub fn draft(name: &str, url: &str, auth_mode: AuthMode) -> Draft {
    Draft {
        name: name.to_owned(),
        description: None,
        url: url.to_owned(),
        category: Category::GatewayRemoteMcp,
        auth_mode,
        oauth: None,
        capabilities: None,
        credential_schema: None,
        headers: None,
        tool_policy: ToolPolicy::Auto,
        source: None,
        credential: None,
    }
}
