//! The page behind a connect link: what it shows of user and upstream, and for how long.

use http::Method;
use native::App;
use postern_core::model::api_key::BOOTSTRAP_PRINCIPAL;
use postern_core::model::integration::AuthMode;
use postern_core::oauth::ticket;
use postern_core::store::api_keys;

fn app() -> App {
    App::new(oauth_callback::families(), &[("PUBLIC_URL", "https://postern.test")])
}

/// Returns the path of a link for the user `subject` to connect to a new integration.
async fn link(app: &App, subject: &str) -> String {
    let url = "https://mcp.example.com/v1/mcp?api_key=canary";
    let integration = app.place("Tickets", url, AuthMode::Oauth).await;
    let link = ticket::link(&app.platform, &integration.id, subject).unwrap();
    link.strip_prefix("https://postern.test").unwrap().to_owned()
}

#[tokio::test]
async fn the_page_shows_origin_and_path_of_the_upstream_and_never_its_query() {
    let app = app();
    let path = link(&app, BOOTSTRAP_PRINCIPAL).await;
    let page = app.send(Method::GET, &path, &[], "").await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    assert!(page.text.contains("https://mcp.example.com/v1/mcp"), "{}", page.text);
    assert!(!page.text.contains("canary") && !page.text.contains("api_key"), "{}", page.text);
}

#[tokio::test]
async fn the_page_names_the_user_until_the_users_key_is_deleted() {
    let app = app();
    app.key("alice", &["admin"], None).await;
    let path = link(&app, &app.subject("alice").await).await;
    let page = app.send(Method::GET, &path, &[], "").await;
    assert!(page.status == 200 && page.text.contains("“alice”"), "{}", page.text);

    api_keys::delete(&app.platform, "alice").await.unwrap();
    app.key("alice", &["admin"], None).await;
    assert_eq!(app.send(Method::GET, &path, &[], "").await.status, 400);
    let ticket = path.split_once("ticket=").unwrap().1;
    let form = format!("ticket={ticket}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(app.send(Method::POST, "/oauth/connect", &headers, form).await.status, 400);
}
