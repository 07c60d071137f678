//! URLs that a caller enters.

use http::{Method, StatusCode};
use native::App;
use serde_json::{Value, json};

use super::corpus::{ordinary, sample};
use super::web::{UPSTREAM, Web, postern};

/// Most hostile URLs of each class that a test tries.
const MOST: usize = 3;
const KONTEXT: &str = "/api/v1/integrations";
const FEATHER: &str = "/v1/integrations/connections/custom-mcp";

/// A request that carries a URL.
type Entry = (Method, String, fn(&str) -> Value);

/// Every place where a caller enters a URL, for the integrations `none` and `oauth`.
fn entries(none: &str, oauth: &str) -> Vec<Entry> {
    let (none, oauth) = (format!("{KONTEXT}/{none}"), format!("{KONTEXT}/{oauth}"));
    let install = "/integrations/install".to_owned();
    vec![
        (Method::POST, KONTEXT.to_owned(), |url| json!({ "name": "N", "url": url })),
        (Method::PATCH, none, |url| json!({ "url": url })),
        (Method::POST, KONTEXT.to_owned(), |url| with_oauth(&json!({ "issuer": url }))),
        (Method::POST, KONTEXT.to_owned(), |url| with_oauth(&json!({ "authorizationUrl": url }))),
        (Method::POST, KONTEXT.to_owned(), |url| with_oauth(&json!({ "tokenUrl": url }))),
        (Method::PATCH, oauth.clone(), |url| json!({ "oauth": { "issuer": url } })),
        (Method::PUT, format!("{oauth}/oauth"), |url| json!({ "issuer": url })),
        (Method::PUT, format!("{oauth}/oauth"), |url| json!({ "authorizationUrl": url })),
        (Method::PUT, format!("{oauth}/oauth"), |url| json!({ "tokenUrl": url })),
        (Method::POST, install.clone(), |url| json!({ "source": url })),
        (Method::POST, install.clone(), |url| json!({ "source": { "url": url, "name": "N" } })),
        (
            Method::POST,
            install,
            |url| json!({ "source": { "url": own(), "name": "N", "oauth": { "issuer": url }, "auth_mode": "oauth" } }),
        ),
        (Method::POST, FEATHER.to_owned(), |url| json!({ "nickname": "N", "server_url": url })),
        (Method::POST, FEATHER.to_owned(), |url| connect(&json!({ "oauth_authorize_url": url }))),
        (Method::POST, FEATHER.to_owned(), |url| connect(&json!({ "oauth_token_url": url }))),
        (Method::POST, format!("{FEATHER}/discover"), |url| json!({ "server_url": url })),
    ]
}

fn own() -> String {
    format!("https://{UPSTREAM}/mcp")
}

fn with_oauth(oauth: &Value) -> Value {
    json!({ "name": "N", "url": own(), "authMode": "oauth", "oauth": oauth })
}

fn connect(fields: &Value) -> Value {
    let mut body = json!({ "nickname": "N", "server_url": own(), "auth_type": "oauth" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

async fn existing(app: &App, mode: &str) -> String {
    let body = json!({ "name": format!("Existing {mode}"), "url": own(), "authMode": mode });
    let created = app.admin(Method::POST, KONTEXT, body).await;
    created.json()["integration"]["id"].as_str().unwrap().to_owned()
}

fn assert_untouched(app: &App, web: &Web, about: &str) {
    assert_eq!(app.database.count("integrations"), 2, "{about}");
    assert_eq!(app.database.count("oauth_flows"), 0, "{about}");
    assert!(web.asked.borrow().is_empty(), "{about}: {:?}", web.asked.borrow());
}

#[tokio::test]
async fn a_hostile_url_is_refused_everywhere() {
    let (app, web) = postern();
    let (none, oauth) = (existing(&app, "none").await, existing(&app, "oauth").await);
    app.settle().await;
    web.asked.borrow_mut().clear();
    let forms = sample(MOST);
    let entries = entries(&none, &oauth);
    for (method, path, body) in &entries {
        for form in &forms {
            let answer = app.admin(method.clone(), path, body(&form.url)).await;
            // A source that is no URL is looked up in the catalogue.
            let unknown = path.ends_with("/install") && answer.status == StatusCode::NOT_FOUND;
            let refused = answer.status == StatusCode::BAD_REQUEST || unknown;
            assert!(refused, "{method} {path} {form:?}: {} {}", answer.status, answer.text);
        }
        app.settle().await;
        assert_untouched(&app, &web, path);
    }
    println!("{} forms at {} entries", forms.len(), entries.len());
}

#[tokio::test]
async fn an_ordinary_url_is_accepted_everywhere() {
    let urls: Vec<String> = ordinary().into_iter().step_by(61).collect();
    assert!(urls.len() >= 30);
    for at in 0..entries("", "").len() {
        for url in &urls {
            let (app, _) = postern();
            let (none, oauth) = (existing(&app, "none").await, existing(&app, "oauth").await);
            let (method, path, body) = entries(&none, &oauth).swap_remove(at);
            let answer = app.admin(method.clone(), &path, body(url)).await;
            // The simulated internet does not have the host, so an authorization cannot begin.
            let begun = path == FEATHER && answer.status == StatusCode::BAD_GATEWAY;
            assert!(answer.status.is_success() || begun, "{method} {path} {url}: {}", answer.text);
        }
    }
}
