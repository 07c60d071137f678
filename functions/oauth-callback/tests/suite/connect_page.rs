//! The page behind a connect link: what it shows of the upstream.

use http::Method;
use native::App;
use postern_core::model::credential::ORGANIZATION;
use postern_core::model::integration::{AuthMode, Category, State, ToolPolicy};
use postern_core::oauth::ticket;
use postern_core::registry::draft::Draft;
use postern_core::registry::place::{Placing, place};

#[tokio::test]
async fn the_page_shows_origin_and_path_of_the_upstream_and_never_its_query() {
    let app = App::new(oauth_callback::families(), &[("PUBLIC_URL", "https://postern.test")]);
    let draft = Draft {
        name: "Tickets".to_owned(),
        description: None,
        url: "https://mcp.example.com/v1/mcp?api_key=canary".to_owned(),
        category: Category::GatewayRemoteMcp,
        auth_mode: AuthMode::Oauth,
        oauth: None,
        capabilities: None,
        credential_schema: None,
        headers: None,
        tool_policy: ToolPolicy::Auto,
        source: None,
        credential: None,
    };
    let placing = Placing { slug: None, state: State::Running, revives: false, viewer: ORGANIZATION };
    let integration = place(&app.platform, &draft, &placing).await.unwrap();
    let link = ticket::link(&app.platform, &integration.id, "apikey:user").unwrap();
    let path = link.strip_prefix("https://postern.test").unwrap();
    let page = app.send(Method::GET, path, &[], "").await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    assert!(page.text.contains("https://mcp.example.com/v1/mcp"), "{}", page.text);
    assert!(!page.text.contains("canary") && !page.text.contains("api_key"), "{}", page.text);
}
