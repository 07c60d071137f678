//! Redirects, and the endpoint event of HTTP+SSE: further ways in which an upstream can try to send Postern to a URL.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use kernel::ports::{Fetch, FetchError, Outgoing, UpstreamResponse};
use native::{App, NativeFetch};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

use super::corpus::sample;
use super::web::{Slot, UPSTREAM, postern};

const BASE: &str = "/api/v1/integrations";

async fn create(app: &App, url: &str, mode: &str) -> String {
    let body = json!({ "name": "Upstream", "url": url, "authMode": mode });
    let created = app.admin(Method::POST, BASE, body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    created.json()["integration"]["id"].as_str().unwrap().to_owned()
}

async fn validate(app: &App, id: &str) -> Value {
    app.admin(Method::POST, &format!("{BASE}/{id}/validate"), None).await.json()["integration"].clone()
}

#[tokio::test]
async fn no_redirect_is_followed_while_probing_or_discovering() {
    for slot in [Slot::UpstreamRedirect, Slot::ServerRedirect, Slot::TokenRedirect] {
        for status in [301, 302, 303, 307, 308] {
            let (app, web) = postern();
            web.redirect_with(status);
            let open = create(&app, &format!("https://{UPSTREAM}/mcp"), "none").await;
            let body =
                json!({ "name": "OAuth", "url": format!("https://{UPSTREAM}/mcp"), "authMode": "oauth" });
            let created = app.admin(Method::POST, BASE, body).await.json();
            let id = created["integration"]["id"].as_str().unwrap();
            let mut tried = 0;
            for form in sample(1) {
                if !web.plant(slot, &form.url) {
                    continue;
                }
                tried += 1;
                if slot == Slot::UpstreamRedirect {
                    let integration = validate(&app, &open).await;
                    assert_eq!(integration["validationStatus"], "invalid", "{status} {form:?}");
                }
                let path = format!("/mcp/integrations/{id}/oauth/init");
                let started = app.admin(Method::POST, &path, json!({})).await;
                assert_eq!(started.status, StatusCode::BAD_GATEWAY, "{slot:?} {form:?}: {}", started.text);
                assert!(web.strayed.borrow().is_empty(), "{slot:?} {form:?}: {:?}", web.strayed.borrow());
            }
            assert!(tried >= 30, "{tried}");
        }
    }
}

/// The endpoint that an event stream names must have the stream's own origin; otherwise the probe fails.
#[tokio::test]
async fn an_event_stream_leads_to_no_other_origin() {
    let (app, web) = postern();
    let id = create(&app, &format!("https://{UPSTREAM}/mcp"), "none").await;
    let mut tried = 0;
    for form in sample(2) {
        if web.plant(Slot::Endpoint, &form.url) {
            tried += 1;
            let integration = validate(&app, &id).await;
            assert_eq!(integration["validationStatus"], "invalid", "{form:?}");
            assert!(web.strayed.borrow().is_empty(), "{form:?}: {:?}", web.strayed.borrow());
        }
    }
    assert!(tried >= 30, "{tried}");
    web.plant(Slot::Endpoint, "/messages?session=1");
    validate(&app, &id).await;
    let own = format!("https://{UPSTREAM}/messages?session=1");
    assert!(web.asked.borrow().contains(&own), "an endpoint of the same origin is used: {:?}", web.asked);
}

/// The native Fetch port, with a record of the URLs that it was asked for: all must be the stub's.
struct Watched {
    port: NativeFetch,
    asked: Rc<RefCell<Vec<String>>>,
}

#[async_trait(?Send)]
impl Fetch for Watched {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        self.asked.borrow_mut().push(request.url.as_str().to_owned());
        self.port.fetch(request).await
    }
}

/// Redirects over real HTTP: the redirect is the answer, and its target is not requested.
#[tokio::test]
async fn a_real_redirect_is_not_followed() {
    let stub = Stub::start(Options::default()).unwrap();
    let mut tried = 0;
    for form in sample(1) {
        if form.url.len() > 1024 || http::HeaderValue::from_str(&form.url).is_err() {
            continue;
        }
        tried += 1;
        let mut app = App::new(integrations::families(), &[]);
        let asked = Rc::new(RefCell::default());
        let port = NativeFetch::default();
        app.platform.ports.fetcher = Rc::new(Watched { port, asked: Rc::clone(&asked) });
        let to: String = url::form_urlencoded::byte_serialize(form.url.as_bytes()).collect();
        let id = create(&app, &stub.url(&format!("/redirect?to={to}")), "none").await;
        let integration = validate(&app, &id).await;
        let message = integration["validationMessage"].as_str().unwrap();
        assert!(message.contains("redirect (HTTP 302)"), "{form:?}: {message}");
        let base = stub.url("/");
        assert!(asked.borrow().iter().all(|url: &String| url.starts_with(&base)), "{form:?}: {asked:?}");
    }
    assert!(tried >= 30, "{tried}");
}
