//! What a person and the person's browser do at the end of a sign-in.

use http::Method;
use native::{App, Reply};
use serde_json::Value;
use url::Url;

/// The origin of Postern's pages.
pub(crate) const ORIGIN: &str = "https://postern.example.com";

/// A parameter of the authorization URL in the answer that started an authorization.
pub(crate) fn parameter(started: &Value, name: &str) -> String {
    let url: Url = started["authorizationUrl"].as_str().expect("an authorization URL").parse().unwrap();
    let value = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    value.unwrap_or_else(|| panic!("no {name} in {url}"))
}

/// The path and query with which the authorization server sends the browser back.
pub(crate) fn callback(started: &Value) -> String {
    let redirect_uri = parameter(started, "redirect_uri");
    let path = redirect_uri.strip_prefix(ORIGIN).expect("Postern's origin");
    format!("{path}?state={}&code=c", parameter(started, "state"))
}

/// Comes back from the authorization server, without a cookie.
pub(crate) async fn come_back(app: &App, started: &Value) -> Reply {
    app.send(Method::GET, &callback(started), &[], "").await
}

/// The cookie that a page gave, as the browser sends it.
pub(crate) fn cookie(page: &Reply) -> String {
    page.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

/// The field of the page's form.
pub(crate) fn grant(page: &Reply) -> String {
    let field = page.text.split_once("name=\"grant\" value=\"").expect("a form").1;
    field.split_once('"').unwrap().0.to_owned()
}

/// Sends the page's form to `path` with this cookie.
pub(crate) async fn press(app: &App, path: &str, page: &Reply, cookie: &str) -> Reply {
    let headers =
        [("cookie", cookie), ("origin", ORIGIN), ("content-type", "application/x-www-form-urlencoded")];
    app.send(Method::POST, path, &headers, format!("grant={}", grant(page))).await
}

/// Comes back from the authorization server and confirms. Returns the last answer.
pub(crate) async fn finish(app: &App, started: &Value) -> Reply {
    let page = come_back(app, started).await;
    if !page.status.is_success() {
        return page;
    }
    press(app, "/oauth/confirm", &page, &cookie(&page)).await
}
