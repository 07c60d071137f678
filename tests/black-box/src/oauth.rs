//! Authorization servers, the MCP servers that accept their tokens, and the browsers of people who consent.

use std::{
    collections::{BTreeMap, HashMap},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Url, header::LOCATION, redirect::Policy};
use serde_json::{Value, json};

use crate::{
    api::{Answer, Api, IDLE},
    environment,
    key::{ApiKey, sha256},
    process::{Process, lock},
};

/// The setting `PUBLIC_URL` of the tests. [`Browser`] sends requests for this origin to Postern's real address.
pub const PUBLIC_URL: &str = "https://postern.test";

/// The paths of the redirect URIs that authorization servers share. Each server has one of its own below each of them.
pub const CALLBACKS: [&str; 3] =
    ["/oauth/callback", "/v1/integrations/oauth/callback", "/api/v1/admin/oauth/callback"];
/// Where the form of the page goes that asks for a confirmation.
const CONFIRM: &str = "/oauth/confirm";

/// An authorization server with MCP servers behind it; see `tests/peers/oauth/main.mjs`.
pub struct Provider {
    /// Issuer identifier.
    pub issuer: String,
    /// The secret of `confidential` and `machine`, the clients that are registered from the start.
    pub client_secret: String,
    upstream: String,
    lossy: String,
    control: String,
    _process: Process,
}

impl Provider {
    /// Starts the program that serves what `options.provider` names. `options` are those of `main.mjs`, except
    /// Postern's addresses.
    pub async fn start(postern: &str, options: Value) -> Result<Self> {
        let client_secret = ApiKey::generate()?.text;
        let redirect_uris = CALLBACKS.map(|path| format!("{PUBLIC_URL}{path}"));
        let mut line = json!({
            "postern": postern, "publicUrl": PUBLIC_URL, "clientSecret": client_secret,
            "redirectUris": redirect_uris,
        });
        for (name, value) in options.as_object().into_iter().flatten() {
            line[name] = value.clone();
        }
        let (runner, script) = match line["provider"].as_str() {
            Some("fastmcp") => (environment::PYTHON, "oauth/fastmcp_server.py"),
            Some("authlib") => (environment::PYTHON, "oauth/authlib_server.py"),
            _ => (environment::NODE, "oauth/main.mjs"),
        };
        let mut command = Command::new(environment::path(runner)?);
        command.arg(environment::path(environment::PEERS)?.join(script));
        let (process, ready) = Process::start("the authorization server", &mut command, &line).await?;
        let text = |name: &str| ready[name].as_str().map(str::to_owned).with_context(|| ready.to_string());
        Ok(Self {
            issuer: text("issuer")?,
            client_secret,
            upstream: text("upstream")?,
            lossy: text("lossy")?,
            control: text("control")?,
            _process: process,
        })
    }

    /// The protected MCP server of both eras.
    pub fn mcp(&self) -> String {
        format!("{}/mcp", self.upstream)
    }

    /// The protected MCP server of the legacy era, with sessions.
    pub fn legacy(&self) -> String {
        format!("{}/legacy", self.upstream)
    }

    /// A token endpoint in front of the real one that loses answers on demand.
    pub fn lossy(&self) -> String {
        format!("{}/token", self.lossy)
    }

    /// The redirect URI below a callback path that belongs to this authorization server alone.
    pub fn redirect_uri(&self, callback: &str) -> String {
        format!("{PUBLIC_URL}{callback}/{:.32}", sha256(&self.issuer))
    }

    /// What the servers have recorded.
    pub async fn seen(&self) -> Result<Value> {
        Api::to(&self.control)?.get("/").await?.expect(200)
    }

    /// Changes how the servers behave.
    pub async fn set(&self, change: Value) -> Result<()> {
        Api::to(&self.control)?.post("/", &change).await?.expect(200).map(drop)
    }

    /// The numbers of token requests of a grant that were answered with tokens and with an error.
    pub async fn token_requests(&self, grant: &str) -> Result<(usize, usize)> {
        let seen = self.seen().await?;
        let requests = seen["tokens"].as_array().context("no token requests")?;
        let of_grant = requests.iter().filter(|request| request["grant"] == grant);
        let (good, bad): (Vec<_>, Vec<_>) = of_grant.partition(|request| request["ok"] == true);
        Ok((good.len(), bad.len()))
    }

    /// Whether a token is active, as the authorization server's introspection endpoint says (RFC 7662).
    pub async fn is_active(&self, token: &str) -> Result<bool> {
        let request = Api::to(&self.issuer)?
            .request(reqwest::Method::POST, "/token/introspection")
            .basic_auth("auditor", Some(&self.client_secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        let answer = Answer::of(request).await?.expect(200)?;
        answer["active"].as_bool().with_context(|| format!("no verdict: {answer}"))
    }

    /// Whether the MCP server of both eras accepts an access token.
    pub async fn accepts(&self, token: &str) -> Result<bool> {
        let request = Api::to(&self.mcp())?
            .request(reqwest::Method::POST, "")
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        Ok(Answer::of(request).await?.status != 401)
    }

    /// Every secret that was issued or presented so far, each once.
    pub async fn issued(&self) -> Result<Vec<String>> {
        let seen = self.seen().await?;
        let mut issued: Vec<String> = serde_json::from_value(seen["issued"].clone())?;
        issued.sort_unstable();
        issued.dedup();
        Ok(issued)
    }
}

/// A person's browser, without a screen: it keeps cookies, follows links and presses buttons.
pub struct Browser {
    client: reqwest::Client,
    postern: String,
    account: String,
    cookies: Mutex<HashMap<String, BTreeMap<String, String>>>,
}

impl Browser {
    /// A browser of a person with this account at the authorization server. `postern` is Postern's real origin.
    pub fn new(postern: &str, account: &str) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_mins(1))
            .pool_idle_timeout(IDLE)
            .build()?;
        let postern = postern.trim_end_matches('/').to_owned();
        Ok(Self { client, postern, account: account.to_owned(), cookies: Mutex::default() })
    }

    /// Opens a URL without following redirects.
    pub async fn open(&self, url: &str) -> Result<Answer> {
        self.send(url, |client, place| client.get(place)).await
    }

    /// Opens the redirect URL that leads back to Postern, and confirms on the page that a sign-in ends with which was
    /// begun through an API.
    pub async fn finish(&self, back: &str) -> Result<Answer> {
        let page = self.open(back).await?;
        match asked(&page) {
            Some(grant) => self.submit(&format!("{PUBLIC_URL}{CONFIRM}"), &[("grant", grant)]).await,
            None => bail!("no confirmation is asked for: {} {}", page.status, page.text),
        }
    }

    /// Sends a form from a page of the same origin.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let origin = Url::parse(url)?.origin().ascii_serialization();
        let mut form = Url::parse("http://form.invalid")?;
        form.query_pairs_mut().extend_pairs(fields);
        let body = form.query().unwrap_or_default().to_owned();
        self.send(url, |client, place| {
            let request =
                client.post(place).header("origin", &origin).header("sec-fetch-site", "same-origin");
            request.header("content-type", "application/x-www-form-urlencoded").body(body)
        })
        .await
    }

    /// Signs in and consents at the authorization server. Returns the redirect URL that leads back to Postern.
    pub async fn consent(&self, authorization_url: &str) -> Result<String> {
        const REDIRECTS: usize = 12;
        let mut url = authorization_url.to_owned();
        for _ in 0..REDIRECTS {
            let answer = self.open(&url).await?;
            let location = answer.header(LOCATION.as_str());
            ensure!(!location.is_empty(), "{url} leads nowhere: {} {}", answer.status, answer.text);
            url = Url::parse(&url)?.join(location)?.into();
            if url.starts_with(PUBLIC_URL) {
                return Ok(url);
            }
        }
        bail!("{authorization_url} redirects more than {REDIRECTS} times")
    }

    async fn send(
        &self,
        url: &str,
        request: impl FnOnce(&reqwest::Client, &str) -> reqwest::RequestBuilder,
    ) -> Result<Answer> {
        let place = match url.strip_prefix(PUBLIC_URL) {
            Some(path) => format!("{}{path}", self.postern),
            None => url.to_owned(),
        };
        let origin = Url::parse(url)?.origin().ascii_serialization();
        let mut request = request(&self.client, &place);
        let cookies = self.cookies_for(&origin);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        let answer = Answer::of(request).await?;
        self.keep(&origin, &answer);
        Ok(answer)
    }

    /// The `Cookie` header for an origin. For the authorization server the header also names the person's account.
    fn cookies_for(&self, origin: &str) -> String {
        let cookies = lock(&self.cookies);
        let kept = cookies.get(origin).into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
        let account = (origin != PUBLIC_URL).then(|| format!("account={}", self.account));
        kept.chain(account).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, origin: &str, answer: &Answer) {
        let mut cookies = lock(&self.cookies);
        let jar = cookies.entry(origin.to_owned()).or_default();
        for cookie in answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = pair {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The grant that a page asks to confirm; `None` if the answer is no such page.
pub fn asked(page: &Answer) -> Option<&str> {
    let form = page.text.split_once(&format!("action=\"{CONFIRM}\""))?.1;
    form.split_once("name=\"grant\" value=\"")?.1.split('"').next()
}

/// The value of a query parameter of a URL.
pub fn parameter(url: &str, name: &str) -> Result<Option<String>> {
    let url = Url::parse(url).with_context(|| url.to_owned())?;
    Ok(url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()))
}
