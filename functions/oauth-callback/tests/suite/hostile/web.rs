//! A simulated internet of two hosts, an MCP server and its authorization server, which records every URL that Postern
//! requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kernel::ports::{Fetch, FetchError, Outgoing, UpstreamResponse};
use native::App;
use serde_json::{Value, json};

pub(crate) const UPSTREAM: &str = "upstream.example.com";
pub(crate) const ISSUER: &str = "https://as.example.com";
const SERVER: &str = "as.example.com";
const PRM: &str = "/.well-known/oauth-protected-resource";

/// A place where a URL is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// `resource_metadata` of the challenge.
    Challenge,
    /// `authorization_servers` of the resource's metadata.
    Issuer,
    /// `authorization_endpoint` of the authorization server's metadata.
    Authorization,
    /// `token_endpoint` of the same metadata.
    Token,
    /// `registration_endpoint` of the same metadata.
    Registration,
    /// `revocation_endpoint` of the same metadata.
    Revocation,
    /// `Location` of every answer of the upstream.
    UpstreamRedirect,
    /// `Location` of every answer of the authorization server to GET.
    ServerRedirect,
    /// `Location` of every answer of the authorization server to POST.
    TokenRedirect,
    /// First event of the upstream's event stream.
    Endpoint,
}

/// The simulated internet.
pub(crate) struct Web {
    /// Members that the authorization server's metadata has besides the usual ones.
    pub(crate) announced: RefCell<Value>,
    planted: RefCell<Option<(Slot, String)>>,
    redirect: Cell<u16>,
    /// Every URL that was requested.
    pub(crate) asked: RefCell<Vec<String>>,
    /// Those of them at other hosts than the two.
    pub(crate) strayed: RefCell<Vec<String>>,
}

/// Returns a Postern in this internet, with the URL policy of a deployment.
pub(crate) fn postern() -> (App, Rc<Web>) {
    let families = [oauth_callback::families(), connections::families(), integrations::families()];
    let tables = families.into_iter().flatten().collect();
    let settings = [("ALLOW_LOOPBACK_UPSTREAMS", "false"), ("PUBLIC_URL", "https://postern.example.com")];
    let mut app = App::new(tables, &settings);
    let web = Rc::new(Web {
        announced: RefCell::new(json!({})),
        planted: RefCell::default(),
        redirect: Cell::new(302),
        asked: RefCell::default(),
        strayed: RefCell::default(),
    });
    app.platform.ports.fetcher = Rc::new(Port(Rc::clone(&web)));
    (app, web)
}

impl Web {
    /// Plants `url` in `slot`. Returns whether HTTP and JSON can carry the URL there.
    pub(crate) fn plant(&self, slot: Slot, url: &str) -> bool {
        let in_header = HeaderValue::from_str(url).is_ok() && url.len() < 4096;
        let carried = match slot {
            Slot::Challenge | Slot::UpstreamRedirect | Slot::ServerRedirect | Slot::TokenRedirect => {
                in_header
            }
            Slot::Endpoint => !url.contains(['\r', '\n']),
            _ => true,
        };
        *self.planted.borrow_mut() = Some((slot, url.to_owned()));
        carried
    }

    /// Sets the status of redirects.
    pub(crate) fn redirect_with(&self, status: u16) {
        self.redirect.set(status);
    }

    fn planted(&self, wanted: Slot) -> Option<String> {
        let planted = self.planted.borrow();
        planted.as_ref().filter(|(slot, _)| *slot == wanted).map(|(_, url)| url.clone())
    }

    fn answer(&self, request: &Outgoing) -> Result<UpstreamResponse, FetchError> {
        let url = request.url.as_url();
        self.asked.borrow_mut().push(url.to_string());
        match url.host_str() {
            Some(UPSTREAM) => Ok(self.upstream(request)),
            Some(SERVER) => Ok(self.server(request)),
            _ => {
                self.strayed.borrow_mut().push(url.to_string());
                Err(FetchError::Unreachable("not of this internet".to_owned()))
            }
        }
    }

    fn upstream(&self, request: &Outgoing) -> UpstreamResponse {
        if let Some(to) = self.planted(Slot::UpstreamRedirect) {
            return redirect(self.redirect.get(), &to);
        }
        let path = request.url.as_url().path();
        if let Some(endpoint) = self.planted(Slot::Endpoint) {
            return match request.method {
                Method::GET if path == "/mcp" => {
                    let event = format!("event: endpoint\ndata: {endpoint}\n\n");
                    with(200, CONTENT_TYPE, "text/event-stream", event)
                }
                _ => json_answer(405, &json!({})),
            };
        }
        if path.starts_with(PRM) && self.planted(Slot::Challenge).is_none() {
            let issuer = self.planted(Slot::Issuer).unwrap_or_else(|| ISSUER.to_owned());
            let resource = format!("https://{UPSTREAM}/mcp");
            return json_answer(200, &json!({ "resource": resource, "authorization_servers": [issuer] }));
        }
        if path != "/mcp" {
            return json_answer(404, &json!({}));
        }
        let announced = self.planted(Slot::Challenge).unwrap_or_else(|| format!("https://{UPSTREAM}{PRM}"));
        let announced = announced.replace('\\', "\\\\").replace('"', "\\\"");
        with(401, WWW_AUTHENTICATE, &format!("Bearer resource_metadata=\"{announced}\""), String::new())
    }

    fn server(&self, request: &Outgoing) -> UpstreamResponse {
        let slot = if request.method == Method::GET { Slot::ServerRedirect } else { Slot::TokenRedirect };
        if let Some(to) = self.planted(slot) {
            return redirect(self.redirect.get(), &to);
        }
        let at = |slot, path: &str| self.planted(slot).unwrap_or_else(|| format!("{ISSUER}{path}"));
        match request.url.as_url().path() {
            "/.well-known/oauth-authorization-server" => {
                let mut metadata = json!({
                    "issuer": ISSUER,
                    "authorization_endpoint": at(Slot::Authorization, "/authorize"),
                    "token_endpoint": at(Slot::Token, "/token"),
                    "registration_endpoint": at(Slot::Registration, "/register"),
                    "revocation_endpoint": at(Slot::Revocation, "/revoke"),
                    "code_challenge_methods_supported": ["S256"],
                });
                for (name, value) in self.announced.borrow().as_object().into_iter().flatten() {
                    metadata[name] = value.clone();
                }
                json_answer(200, &metadata)
            }
            "/register" => json_answer(201, &json!({ "client_id": "c" })),
            "/token" => json_answer(
                200,
                &json!({ "access_token": "a", "token_type": "Bearer", "refresh_token": "r", "expires_in": 3600 }),
            ),
            "/revoke" => json_answer(200, &json!({})),
            _ => json_answer(404, &json!({})),
        }
    }
}

struct Port(Rc<Web>);

#[async_trait(?Send)]
impl Fetch for Port {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        self.0.answer(&request)
    }
}

fn redirect(status: u16, to: &str) -> UpstreamResponse {
    with(status, LOCATION, to, String::new())
}

fn json_answer(status: u16, body: &Value) -> UpstreamResponse {
    with(status, CONTENT_TYPE, "application/json", body.to_string())
}

fn with(status: u16, name: HeaderName, value: &str, body: String) -> UpstreamResponse {
    let value = HeaderValue::from_str(value).unwrap();
    let body = stream::iter([Ok(Bytes::from(body))]).boxed_local();
    UpstreamResponse { status, headers: HeaderMap::from_iter([(name, value)]), body }
}
