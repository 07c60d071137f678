//! The Kontext routes through the whole router, on the real migrations.

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::{Value, json};

const BASE: &str = "/api/v1/integrations";

fn app() -> App {
    App::new(integrations::families(), &[])
}

async fn create(app: &App, body: Value) -> Reply {
    app.admin(Method::POST, BASE, body).await
}

/// The body of an integration at an address where no server listens.
fn sample(name: &str) -> Value {
    json!({ "name": name, "url": "http://127.0.0.1:1/mcp" })
}

fn id_of(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    reply.json()["integration"]["id"].as_str().unwrap().to_owned()
}

fn assert_kontext_error(reply: &Reply, status: StatusCode, message: &str) {
    let body = reply.json();
    assert_eq!(reply.status, status, "{}", reply.text);
    assert_eq!(body["statusCode"], status.as_u16());
    assert!(body["message"].as_str().unwrap().contains(message), "{body} should say {message}");
    assert_eq!(body["requestId"].as_str().unwrap(), reply.header("x-request-id"));
    assert!(body["code"].is_string());
}

#[tokio::test]
async fn a_created_integration_is_pending_and_can_be_read_back() {
    let app = app();
    let created = create(&app, sample("GitHub (Enterprise)")).await;
    let id = id_of(&created);
    assert_eq!(created.header("location"), format!("{BASE}/{id}"));
    let integration = &created.json()["integration"];
    for (field, value) in [
        ("slug", json!("github-enterprise")),
        ("name", json!("GitHub (Enterprise)")),
        ("category", json!("gateway_remote_mcp")),
        ("authMode", json!("none")),
        ("serverTokenConfigured", json!(false)),
        ("validationStatus", json!("pending")),
    ] {
        assert_eq!(integration[field], value, "{field}");
    }
    for absent in
        ["oauth", "capabilities", "credentialSchema", "validationMessage", "lastValidatedAt", "archivedAt"]
    {
        assert!(integration.get(absent).is_none(), "{absent}");
    }
    let read = app.admin(Method::GET, &format!("{BASE}/{id}"), None).await;
    assert_eq!(read.json(), created.json());
    let head = app.admin(Method::HEAD, &format!("{BASE}/{id}"), None).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.header("content-length"), read.text.len().to_string());
}

#[tokio::test]
async fn declared_objects_come_back_as_they_were() {
    let app = app();
    let mut body = sample("Declared");
    body["capabilities"] = json!({ "tools": true });
    body["credentialSchema"] = json!({ "type": "object", "properties": { "apiKey": { "type": "string" } } });
    body["category"] = json!("internal_mcp_credentials");
    let created = create(&app, body.clone()).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    for field in ["capabilities", "credentialSchema", "category"] {
        assert_eq!(created.json()["integration"][field], body[field]);
    }
}

#[tokio::test]
async fn a_server_token_is_sealed_and_never_shown() {
    let app = app();
    let mut body = sample("Sealed");
    body["authMode"] = json!("server_token");
    body["serverToken"] = json!("canary-5d1e");
    let created = create(&app, body).await;
    let id = id_of(&created);
    assert_eq!(created.json()["integration"]["serverTokenConfigured"], true);
    app.settle().await;
    let read = app.admin(Method::GET, &format!("{BASE}/{id}"), None).await;
    let list = app.admin(Method::GET, BASE, None).await;
    for text in [&created.text, &read.text, &list.text, &app.database.dump(), &app.kv.dump()] {
        assert!(!text.contains("canary-5d1e"), "{text}");
    }
    assert_eq!(app.database.count("credentials"), 1);
}

#[tokio::test]
async fn the_list_is_paged_in_order_of_creation() {
    let app = app();
    for number in 0..7 {
        assert_eq!(create(&app, sample(&format!("Server {number}"))).await.status, StatusCode::CREATED);
        app.clock.advance(std::time::Duration::from_millis(1));
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let reply = app.admin(Method::GET, &format!("{BASE}?limit=3&cursor={cursor}"), None).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        let body = reply.json();
        names.extend(
            body["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = body.get("nextCursor") else {
            assert_eq!(page, 2);
            break;
        };
        next.as_str().unwrap().clone_into(&mut cursor);
    }
    assert_eq!(names, (0..7).map(|number| format!("Server {number}")).collect::<Vec<_>>());
    let filtered = app.admin(Method::GET, &format!("{BASE}?name=vEr%205"), None).await.json();
    assert_eq!(filtered["items"].as_array().unwrap().len(), 1);
    assert!(filtered.get("nextCursor").is_none());
}

#[tokio::test]
async fn malformed_paging_is_refused() {
    let app = app();
    let foreign = app.platform.settings.keys.sign("another list", b"{\"created_at\":1,\"id\":\"\"}").unwrap();
    for query in ["limit=0", "limit=201", "limit=-1", "limit=ten", "cursor=abc", &format!("cursor={foreign}")]
    {
        let reply = app.admin(Method::GET, &format!("{BASE}?{query}"), None).await;
        assert_kontext_error(
            &reply,
            StatusCode::BAD_REQUEST,
            if query.starts_with('l') { "limit" } else { "cursor" },
        );
    }
}

#[tokio::test]
async fn an_error_names_the_bad_field_and_nothing_is_stored() {
    let app = app();
    let with = |field: &str, value: Value| {
        let mut body = sample("Bad");
        body[field] = value;
        body
    };
    let token = |token: &str| json!({ "name": "Bad", "url": "http://127.0.0.1:1/", "authMode": "server_token", "serverToken": token });
    let table = [
        (json!({ "url": "https://mcp.example.com" }), "name is required"),
        (json!({ "name": "Bad" }), "url is required"),
        (with("name", json!("")), "name must have"),
        (with("name", json!("x".repeat(201))), "name must have"),
        (with("name", json!("a\u{7}b")), "control characters"),
        (with("name", json!(7)), "expected a string"),
        (with("colour", json!("red")), "unknown field \"colour\""),
        (with("category", json!("other")), "unknown value"),
        (with("authMode", json!("basic")), "unknown value"),
        (with("toolPolicy", json!("never")), "toolPolicy: unknown value"),
        (with("authMode", json!("server_token")), "serverToken is required"),
        (with("serverToken", json!("t")), "serverToken is only for"),
        (with("oauth", json!({})), "oauth is only for"),
        (with("credentialSchema", json!("string")), "credentialSchema must be a JSON object"),
        (token(""), "serverToken must have"),
        (token(&"x".repeat(16 * 1024 + 1)), "serverToken must have"),
        (token("a\r\nx-evil: 1"), "visible ASCII"),
        (with("url", json!("http://mcp.example.com/")), "https"),
        (with("url", json!("https://user:pw@mcp.example.com/")), "user information"),
        (with("url", json!("https://mcp.example.com/#part")), "fragment"),
        (with("url", json!("https://10.0.0.1/")), "private or reserved"),
        (with("url", json!("https://0xa9fea9fe/")), "private or reserved"),
        (with("url", json!("https://[::ffff:10.0.0.1]/")), "private or reserved"),
        (with("url", json!("https://metadata.google.internal/")), "private host name"),
        (with("url", json!("not a url")), "white space"),
    ];
    for (body, message) in table {
        assert_kontext_error(&create(&app, body).await, StatusCode::BAD_REQUEST, message);
    }
    for broken in ["", "{", "[]", "\"text\""] {
        let reply = app.send(Method::POST, BASE, &[("x-api-key", &app.admin)], broken).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{broken}");
    }
    let large = app.send(Method::POST, BASE, &[("x-api-key", &app.admin)], " ".repeat(1024 * 1024 + 1)).await;
    assert_kontext_error(&large, StatusCode::PAYLOAD_TOO_LARGE, "larger than");
    assert_eq!(app.database.count("integrations") + app.database.count("credentials"), 0);
}

#[tokio::test]
async fn names_are_unique_and_slugs_get_numbers() {
    let app = app();
    let first = create(&app, sample("Same!")).await;
    assert_eq!(first.json()["integration"]["slug"], "same");
    assert_kontext_error(&create(&app, sample("Same!")).await, StatusCode::CONFLICT, "already exists");
    assert_eq!(create(&app, sample("Same?")).await.json()["integration"]["slug"], "same-2");
    assert_eq!(create(&app, sample("same")).await.json()["integration"]["slug"], "same-3");
    assert_eq!(app.database.count("integrations"), 3);
}

#[tokio::test]
async fn an_archived_integration_is_gone_until_it_is_revived() {
    let app = app();
    let token = json!({ "name": "Phoenix", "url": "http://127.0.0.1:1/", "authMode": "server_token", "serverToken": "old" });
    let id = id_of(&create(&app, token).await);
    let one = format!("{BASE}/{id}");
    let archived = app.admin(Method::DELETE, &one, None).await;
    assert_eq!((archived.status, archived.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(app.database.count("credentials"), 0, "archiving deletes the secrets");
    for method in [Method::GET, Method::DELETE] {
        assert_kontext_error(
            &app.admin(method, &one, None).await,
            StatusCode::NOT_FOUND,
            "Integration not found",
        );
    }
    assert!(app.admin(Method::GET, BASE, None).await.json()["items"].as_array().unwrap().is_empty());

    assert_kontext_error(&create(&app, sample("Phoenix")).await, StatusCode::CONFLICT, "confirmUnarchive");
    let mut unsaid = sample("Phoenix");
    unsaid["confirmUnarchive"] = Value::Null;
    assert_kontext_error(&create(&app, unsaid).await, StatusCode::CONFLICT, "confirmUnarchive");
    let mut revival = sample("Phoenix");
    revival["confirmUnarchive"] = json!(true);
    let revived = create(&app, revival.clone()).await;
    assert_eq!(id_of(&revived), id, "a revived integration keeps its id");
    assert_eq!(revived.json()["integration"]["slug"], "phoenix", "and its slug");
    assert_eq!(revived.json()["integration"]["serverTokenConfigured"], false);
    assert_eq!(revived.json()["integration"]["validationStatus"], "pending");
    assert_kontext_error(&create(&app, revival).await, StatusCode::CONFLICT, "already exists");
    assert_eq!(app.database.count("integrations"), 1);
}

#[tokio::test]
async fn unknown_ids_and_malformed_ids_answer_alike() {
    let app = app();
    for id in [
        "00000000-0000-4000-8000-000000000000",
        "7",
        "not-a-uuid",
        "%00",
        "550e8400e29b41d4a716446655440000x",
    ] {
        for (method, path) in [
            (Method::GET, format!("{BASE}/{id}")),
            (Method::DELETE, format!("{BASE}/{id}")),
            (Method::POST, format!("{BASE}/{id}/validate")),
        ] {
            let reply = app.admin(method, &path, None).await;
            assert_kontext_error(&reply, StatusCode::NOT_FOUND, "Integration not found");
        }
    }
}

#[tokio::test]
async fn only_a_valid_admin_key_manages() {
    let app = app();
    let other = app.key("reader", &["reader"], None).await;
    let bearer = |key: &str| format!("Bearer {key}");
    let flipped =
        format!("{}{}", &app.admin[..app.admin.len() - 1], if app.admin.ends_with('A') { 'B' } else { 'A' });
    for (headers, status) in [
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![("authorization", bearer(""))], StatusCode::UNAUTHORIZED),
        (vec![("authorization", bearer("pst_0"))], StatusCode::UNAUTHORIZED),
        (vec![("authorization", bearer(&flipped))], StatusCode::UNAUTHORIZED),
        (vec![("authorization", format!("Basic {}", app.admin))], StatusCode::UNAUTHORIZED),
        (vec![("x-api-key", other)], StatusCode::FORBIDDEN),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for (method, path) in [
            (Method::GET, BASE.to_owned()),
            (Method::POST, BASE.to_owned()),
            (Method::GET, format!("{BASE}/x")),
        ] {
            let reply = app.send(method, &path, &headers, "{}").await;
            assert_kontext_error(&reply, status, "");
            assert_eq!(reply.header("www-authenticate").is_empty(), status == StatusCode::FORBIDDEN);
        }
    }
    assert_eq!(app.database.count("integrations"), 0);
}

#[tokio::test]
async fn keys_expire_and_the_bootstrap_key_works_beside_other_keys() {
    let app = app();
    let lifetime = std::time::Duration::from_secs(60);
    let short = app.key("short", &["admin"], Some(lifetime)).await;
    assert_eq!(app.send(Method::GET, BASE, &[("x-api-key", &short)], "").await.status, StatusCode::OK);
    assert_eq!(app.admin(Method::GET, BASE, None).await.status, StatusCode::OK);
    app.clock.advance(lifetime);
    assert_eq!(
        app.send(Method::GET, BASE, &[("x-api-key", &short)], "").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(app.database.count("api_keys"), 1);
}

#[tokio::test]
async fn unknown_methods_and_paths_get_the_error_form_of_their_family() {
    let app = app();
    let reply = app.admin(Method::PUT, BASE, None).await;
    assert_kontext_error(&reply, StatusCode::METHOD_NOT_ALLOWED, "method");
    assert_eq!(reply.header("allow"), "GET, POST, HEAD, OPTIONS");
    let options = app.send(Method::OPTIONS, BASE, &[], "").await;
    assert_eq!(
        (options.status, options.header("allow")),
        (StatusCode::NO_CONTENT, "GET, POST, HEAD, OPTIONS")
    );
    assert_kontext_error(
        &app.admin(Method::GET, &format!("{BASE}/a/b"), None).await,
        StatusCode::NOT_FOUND,
        "route",
    );
    let elsewhere = app.admin(Method::GET, "/nowhere", None).await;
    assert_eq!(elsewhere.header("content-type"), "application/problem+json");
    assert_eq!(elsewhere.json()["status"], 404);
    assert_eq!(
        app.admin(Method::GET, "/api/v1/integrationsx", None).await.header("content-type"),
        "application/problem+json"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_callers_error() {
    let app = app();
    let key = [("x-api-key", app.admin.as_str())];
    let reply = app.send_body(Method::POST, BASE, &key, web::Body::broken("connection reset")).await;
    assert_kontext_error(&reply, StatusCode::BAD_REQUEST, "broke off");
    assert!(!reply.text.contains("reset"), "the runtime's own text goes to the log only");
}

#[tokio::test]
async fn pages_of_foreign_origins_are_refused() {
    let app = App::new(
        integrations::families(),
        &[("PUBLIC_URL", "https://postern.example.com"), ("ALLOWED_ORIGINS", "https://console.example.com")],
    );
    for (origin, status) in [
        ("https://postern.example.com", StatusCode::OK),
        ("https://console.example.com", StatusCode::OK),
        ("https://evil.example.com", StatusCode::FORBIDDEN),
        ("http://localhost:3000", StatusCode::FORBIDDEN),
        ("null", StatusCode::FORBIDDEN),
    ] {
        let reply = app.send(Method::GET, BASE, &[("x-api-key", &app.admin), ("origin", origin)], "").await;
        assert_eq!(reply.status, status, "{origin}");
    }
}

#[tokio::test]
async fn health_needs_no_key() {
    let health = app().send(Method::GET, "/health", &[], "").await;
    assert_eq!(
        health.json(),
        json!({ "status": "healthy", "version": kernel::VERSION, "schema_version": postern_core::store::schema::VERSION })
    );
}

#[tokio::test]
async fn unusable_settings_answer_503_naming_the_setting() {
    let router = postern_core::Router::new(integrations::families()).unwrap();
    let error = postern_core::settings::Settings::load(|_| None).err().unwrap();
    for path in [BASE, "/health"] {
        let request = http::Request::get(path).body(web::Body::Empty).unwrap();
        let response = router.handle(Err(&error), request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = response.into_body().collect(10_000).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("ENCRYPTION_KEY"));
    }
}
