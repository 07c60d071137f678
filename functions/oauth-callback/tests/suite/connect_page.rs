//! The page behind a connect link: what it shows of the upstream.

use http::Method;
use native::App;
use postern_core::model::integration::AuthMode;
use postern_core::oauth::ticket;

#[tokio::test]
async fn the_page_shows_origin_and_path_of_the_upstream_and_never_its_query() {
    let app = App::new(oauth_callback::families(), &[("PUBLIC_URL", "https://postern.test")]);
    let url = "https://mcp.example.com/v1/mcp?api_key=canary";
    let integration = app.place("Tickets", url, AuthMode::Oauth).await;
    let link = ticket::link(&app.platform, &integration.id, "apikey:user").unwrap();
    let path = link.strip_prefix("https://postern.test").unwrap();
    let page = app.send(Method::GET, path, &[], "").await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    assert!(page.text.contains("https://mcp.example.com/v1/mcp"), "{}", page.text);
    assert!(!page.text.contains("canary") && !page.text.contains("api_key"), "{}", page.text);
}
