//! Callers without a credential, where the setting `ANONYMOUS_PERSONA` admits them.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::json;

const LOCAL: (&str, &str) = ("PUBLIC_URL", "http://localhost:4200");
const PERSONAS: (&str, &str) =
    ("PERSONAS", r#"[{"name":"guest","roles":["guest"],"allow_tools":["*"],"allow_connections":["*"]}]"#);

async fn list(app: &App, headers: &[(&str, &str)]) -> Reply {
    app.send(Method::GET, "/integrations", headers, "").await
}

#[tokio::test]
async fn a_caller_without_a_credential_has_the_persona_that_the_setting_names() {
    let app = App::new(integrations::families(), &[LOCAL, ("ANONYMOUS_PERSONA", "admin")]);
    for host in ["localhost:4200", "127.0.0.1:4200", "[::1]:4200"] {
        let listed = list(&app, &[("host", host)]).await;
        assert_eq!((listed.status, listed.json()), (StatusCode::OK, json!({ "integrations": [] })), "{host}");
    }
    let app = App::new(integrations::families(), &[LOCAL, PERSONAS, ("ANONYMOUS_PERSONA", "guest")]);
    assert_eq!(list(&app, &[("host", "localhost:4200")]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_wrong_credential_and_a_request_from_elsewhere_are_refused() {
    let app = App::new(integrations::families(), &[LOCAL, ("ANONYMOUS_PERSONA", "admin")]);
    for headers in [
        &[("host", "localhost:4200"), ("authorization", "Bearer pst_nonsense")][..],
        &[("host", "localhost:4200"), ("authorization", "Basic YTpi")],
        &[("host", "localhost:4200"), ("x-api-key", "")],
        // DNS rebinding: the browser resolved a name of somebody else to this machine.
        &[("host", "evil.example:4200")],
        &[("host", "192.168.1.2:4200")],
        &[],
    ] {
        assert_eq!(list(&app, headers).await.status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    let from_a_page = [("host", "localhost:4200"), ("origin", "https://evil.example")];
    assert_eq!(list(&app, &from_a_page).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_the_setting_a_credential_is_needed_on_this_machine_too() {
    let app = App::new(integrations::families(), &[LOCAL]);
    assert_eq!(list(&app, &[("host", "localhost:4200")]).await.status, StatusCode::UNAUTHORIZED);
}
