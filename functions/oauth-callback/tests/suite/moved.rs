//! A sign-in that ends after its integration was moved to another server.

use std::time::Duration;

use http::Method;
use kernel::secret::Secret;
use native::App;
use postern_core::model::integration::AuthMode;
use postern_core::model::oauth_client::{AuthMethod, OauthClient};
use postern_core::model::oauth_flow::Flow;
use postern_core::store::oauth_flows;
use stub_upstream::{Options, Stub};

/// Returns the page of a callback whose sign-in was begun while the integration had this origin, and whether the code
/// was sent to the token endpoint.
async fn come_back(app: &App, integration: &str, origin: &str) -> (String, bool) {
    let server = Stub::start(Options::default()).unwrap();
    let flow = Flow {
        verifier: Secret::new("v".to_owned()),
        issuer: None,
        iss_required: false,
        token_endpoint: server.url("/token"),
        revocation_endpoint: None,
        resource: None,
        scope: None,
        redirect_uri: "https://postern.test/oauth/callback".to_owned(),
        client: OauthClient {
            client_id: "c".to_owned(),
            client_secret: None,
            auth_method: AuthMethod::None,
            registered: false,
        },
        return_url: None,
        browser: None,
        actor: "apikey:bootstrap".to_owned(),
        origin: Some(origin.to_owned()),
    };
    let end = app.platform.now() + Duration::from_secs(60);
    oauth_flows::insert(&app.platform, integration, "apikey:bootstrap", "s", &flow, end).await.unwrap();
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
