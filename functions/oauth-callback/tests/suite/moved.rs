//! A sign-in that ends after its integration was moved to another server.

use http::Method;
use native::App;
use postern_core::model::api_key::BOOTSTRAP_PRINCIPAL;
use postern_core::model::integration::AuthMode;
use stub_upstream::{Options, Stub};

/// Returns the page of a callback whose sign-in was begun while the integration had this origin, and whether the code
/// was sent to the token endpoint.
async fn come_back(app: &App, integration: &str, origin: &str) -> (String, bool) {
    let server = Stub::start(Options::default()).unwrap();
    app.begun(integration, BOOTSTRAP_PRINCIPAL, "s", &server.url("/token"), Some(origin)).await;
    let page = app.send(Method::GET, "/oauth/callback?state=s&code=c", &[], "").await;
    (page.text, !server.requests().is_empty())
}

#[tokio::test]
async fn a_code_for_the_former_server_is_not_exchanged() {
    let app = App::new(oauth_callback::families(), &[("PUBLIC_URL", "https://postern.test")]);
    let integration = app.place("Moved", "https://new.example.com/mcp", AuthMode::Oauth).await;
    let (page, is_exchanged) = come_back(&app, &integration.id, "https://old.example.com").await;
    assert!(page.contains("moved to another server"), "{page}");
    assert!(!is_exchanged, "the code was sent");
    let (page, is_exchanged) = come_back(&app, &integration.id, "https://new.example.com").await;
    assert!(is_exchanged, "{page}");
}
