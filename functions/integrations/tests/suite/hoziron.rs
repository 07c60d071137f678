//! The Hoziron routes through the whole router, on the real migrations and against a stub upstream.

use std::time::Duration;

use http::{Method, StatusCode};
use native::{App, Reply};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

fn app() -> App {
    App::new(integrations::families(), &[("UPSTREAM_TIMEOUT_MS", "500")])
}

async fn install(app: &App, body: Value) -> Reply {
    let reply = app.admin(Method::POST, "/integrations/install", body).await;
    app.settle().await;
    reply
}

async fn act(app: &App, id: &str, action: &str) -> Reply {
    app.admin(Method::POST, &format!("/integrations/{id}/{action}"), None).await
}

async fn get(app: &App, path: &str) -> Value {
    let reply = app.admin(Method::GET, path, None).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
    reply.json()
}

fn assert_error(reply: &Reply, status: u16, category: &str) -> Value {
    let error = reply.json()["error"].clone();
    assert_eq!((reply.status.as_u16(), &error["category"]), (status, &json!(category)), "{}", reply.text);
    assert_eq!(error["details"]["request_id"].as_str().unwrap(), reply.header("x-request-id"));
    error
}

#[tokio::test]
async fn an_integration_is_installed_started_stopped_and_removed() {
    let (app, stub) = (app(), Stub::start(Options { extra_tools: 2, ..Options::default() }).unwrap());
    let source = json!({ "url": stub.url("/modern"), "name": "GitHub" });
    let installed = install(&app, json!({ "source": source, "id": "github-connector" })).await;
    assert_eq!(installed.status, StatusCode::CREATED, "{}", installed.text);
    assert_eq!(installed.json(), json!({ "id": "github-connector", "installed": true }));
    assert_eq!(installed.header("location"), "/integrations/github-connector");
    let tools = app.database.count("catalogue_entries");
    let line = json!({ "id": "github-connector", "status": "stopped", "tools_count": tools });
    assert_eq!(get(&app, "/integrations").await, json!({ "integrations": [line] }));
    let status = "/integrations/github-connector/status";
    let stopped =
        json!({ "id": "github-connector", "status": "stopped", "uptime_secs": 0, "tools_count": tools });
    assert_eq!(get(&app, status).await, stopped);

    let started = act(&app, "github-connector", "start").await.json();
    assert_eq!(started, json!({ "id": "github-connector", "status": "running", "pid": 1 }));
    app.clock.advance(Duration::from_secs(90));
    assert_eq!(
        act(&app, "github-connector", "start").await.json(),
        started,
        "starting twice changes nothing"
    );
    assert_eq!(
        (get(&app, status).await["uptime_secs"].clone(), get(&app, status).await["pid"].clone()),
        (json!(90), json!(1))
    );
    assert_eq!(act(&app, "github-connector", "restart").await.json()["pid"], 2);
    assert_eq!(get(&app, status).await["uptime_secs"], 0);
    let listed = get(&app, "/integrations/github-connector/tools").await["tools"].clone();
    assert_eq!(i64::try_from(listed.as_array().unwrap().len()).unwrap(), tools);
    assert!(listed[0]["name"].is_string() && listed[0]["description"].is_string());

    let refused = app.admin(Method::DELETE, "/integrations/github-connector", None).await;
    assert_error(&refused, 409, "InvalidState");
    for _ in 0..2 {
        let stopped = act(&app, "github-connector", "stop").await;
        assert_eq!(stopped.json(), json!({ "id": "github-connector", "status": "stopped" }));
    }
    assert_eq!(get(&app, status).await["tools_count"], tools, "a stopped integration keeps its catalogue");
    act(&app, "github-connector", "start").await;
    let removed = app.admin(Method::DELETE, "/integrations/github-connector?force=true", None).await;
    assert_eq!(removed.json(), json!({ "id": "github-connector", "installed": false }));
    assert_error(&act(&app, "github-connector", "start").await, 404, "NotFound");
    let again = install(
        &app,
        json!({ "source": { "url": stub.url("/legacy"), "name": "GitHub" }, "id": "github-connector" }),
    )
    .await;
    assert_eq!(again.status, StatusCode::CREATED, "a removed one can be installed again: {}", again.text);
}

#[tokio::test]
async fn sources_are_catalogue_ids_urls_and_templates() {
    let app = app();
    for (source, id) in [
        (json!("github-connector"), "github-connector"),
        (json!("linear"), "linear"),
        (json!("https://mcp.example.com/mcp"), "mcp-example-com"),
        (json!("http://127.0.0.1:1/mcp"), "127-0-0-1-1"),
        (json!({ "url": "https://other.example.com/mcp", "name": "Other" }), "other-example-com"),
    ] {
        let installed = install(&app, json!({ "source": source })).await;
        assert_eq!(installed.json(), json!({ "id": id, "installed": true }), "{source}");
    }
    // The entry's display name is taken, its id is free.
    assert_eq!(install(&app, json!({ "source": "github" })).await.json()["id"], "github");
    assert_error(&install(&app, json!({ "source": "github" })).await, 409, "Duplicate");
    let catalog = get(&app, "/integrations/catalog?q=GITHUB").await;
    let github = catalog["entries"].as_array().unwrap().iter().find(|entry| entry["id"] == "github").unwrap();
    assert_eq!((&github["installed"], &github["verified"]), (&json!(true), &json!(false)));
    assert!(github["credentials"][0]["key"].is_string() && github.get("headers").is_none());
    assert_error(
        &app.admin(Method::GET, "/integrations/catalog?category=x", None).await,
        400,
        "ValidationError",
    );
}

#[tokio::test]
async fn a_bad_install_gets_an_error_and_stores_nothing() {
    let app = app();
    let template = |extra: Value| {
        let mut template = json!({ "url": "https://mcp.example.com/mcp" });
        template.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({ "source": template })
    };
    let key = |key: &str| json!({ "source": "github", "credentials": { key: "canary" } });
    for (body, status, category) in [
        (json!({}), 400, "ValidationError"),
        (json!({ "source": "" }), 400, "ValidationError"),
        (json!({ "source": 7 }), 400, "ValidationError"),
        (json!({ "source": "no-such-entry" }), 404, "NotFound"),
        (json!({ "source": "http://mcp.example.com/" }), 400, "ValidationError"),
        (json!({ "source": "https://10.0.0.1/mcp" }), 400, "ValidationError"),
        (json!({ "source": "github", "id": "Not Kebab" }), 400, "ValidationError"),
        (json!({ "source": "github", "id": "catalog" }), 400, "ValidationError"),
        (json!({ "source": "github", "name": "x".repeat(201) }), 400, "ValidationError"),
        (json!({ "source": "github", "colour": "red" }), 400, "ValidationError"),
        (key("OTHER_KEY"), 400, "ValidationError"),
        (
            json!({ "source": "github", "credentials": { "GITHUB_PERSONAL_ACCESS_TOKEN": "a b canary" } }),
            400,
            "ValidationError",
        ),
        (json!({ "source": "github", "config": { "auth_mode": "basic" } }), 400, "ValidationError"),
        (json!({ "source": "github", "config": { "region": "eu" } }), 400, "ValidationError"),
        (template(json!({ "headers": [{ "name": "Host", "value": "canary" }] })), 400, "ValidationError"),
        (template(json!({ "credentials": [{ "key": "UNUSED" }] })), 400, "ValidationError"),
        (template(json!({ "transport": "stdio" })), 400, "ValidationError"),
    ] {
        let refused = install(&app, body.clone()).await;
        let error = assert_error(&refused, status, category);
        assert!(!error.to_string().contains("canary"), "{body}: {error}");
    }
    assert_eq!(app.database.count("integrations") + app.database.count("credentials"), 0);
    for path in ["/integrations/Nope!/status", "/integrations/550e8400-e29b-41d4-a716-446655440000/tools"] {
        assert_error(&app.admin(Method::GET, path, None).await, 400, "ValidationError");
    }
    assert_error(&app.admin(Method::GET, "/integrations/nope/tools", None).await, 404, "NotFound");
    assert_error(&app.send(Method::GET, "/integrations", &[], "").await, 401, "Unauthorized");
    let reader = app.key("reader", &["reader"], None).await;
    assert_error(
        &app.send(Method::GET, "/integrations", &[("x-api-key", &reader)], "").await,
        403,
        "Forbidden",
    );
    assert_error(&app.admin(Method::PUT, "/integrations", None).await, 405, "ValidationError");
}

#[tokio::test]
async fn missing_credentials_are_named_and_can_be_given() {
    let stub =
        Stub::start(Options { require_bearer: Some("canary-5".to_owned()), ..Options::default() }).unwrap();
    let app = app();
    let source = json!({
        "url": stub.url("/modern"),
        "headers": [{ "name": "Authorization", "value": "Bearer {VENDOR_TOKEN}" }, { "name": "X-Team", "value": "{TEAM}" }],
        "credentials": [{ "key": "VENDOR_TOKEN", "label": "Token", "secret": true }, { "key": "TEAM" }],
    });
    install(&app, json!({ "source": source, "id": "vendor", "credentials": { "TEAM": "canary-6" } })).await;
    let refused = act(&app, "vendor", "start").await;
    let error = assert_error(&refused, 409, "InvalidState");
    assert_eq!(error["details"]["missing"], json!(["VENDOR_TOKEN"]));
    assert!(stub.requests().is_empty(), "no request is sent without them");
    let path = "/integrations/vendor/start";
    let wrong = app.admin(Method::POST, path, json!({ "credentials": { "OTHER": "x" } })).await;
    assert_error(&wrong, 400, "ValidationError");
    let refused = app.admin(Method::POST, path, json!({ "credentials": { "VENDOR_TOKEN": "wrong" } })).await;
    let error = assert_error(&refused, 502, "ProviderError");
    assert!(error["message"].as_str().unwrap().contains("refused the credential"), "{error}");
    let started =
        app.admin(Method::POST, path, json!({ "credentials": { "VENDOR_TOKEN": "canary-5" } })).await;
    assert_eq!(started.json()["status"], "running", "{}", started.text);
    let last = stub.requests().pop().unwrap();
    assert_eq!(
        (last.header("authorization"), last.header("x-team")),
        (Some("Bearer canary-5"), Some("canary-6"))
    );
    assert!(!app.database.dump().contains("canary"));
}

#[tokio::test]
async fn a_dead_upstream_is_an_error_after_three_failures_and_recovers() {
    let (app, stub) = (app(), Stub::start(Options::default()).unwrap());
    let installed = install(&app, json!({ "source": { "url": stub.url("/modern") }, "id": "shaky" })).await;
    assert_eq!(installed.status, StatusCode::CREATED, "{}", installed.text);
    act(&app, "shaky", "start").await;
    stub.break_with(Some(StatusCode::INTERNAL_SERVER_ERROR));
    for failures in 1..=3 {
        let refused = act(&app, "shaky", "restart").await;
        assert_error(&refused, 502, "ProviderError");
        let status = get(&app, "/integrations/shaky/status").await;
        let expected = if failures < 3 { "running" } else { "error" };
        assert_eq!((&status["status"], &status["pid"]), (&json!(expected), &json!(1)), "{status}");
        assert!(status["last_error"].as_str().unwrap().contains("HTTP 500"));
    }
    assert_eq!(get(&app, "/integrations").await["integrations"][0]["status"], "error");
    // A start says what is true now, also of an integration that counts as running.
    let probes = stub.requests().len();
    assert_error(&act(&app, "shaky", "start").await, 502, "ProviderError");
    assert!(stub.requests().len() > probes, "the upstream is asked");
    stub.break_with(None);
    let started = act(&app, "shaky", "start").await;
    assert_eq!(started.json(), json!({ "id": "shaky", "status": "running", "pid": 1 }), "{}", started.text);
    assert_eq!(get(&app, "/integrations/shaky/status").await["status"], "running");
    assert_eq!(act(&app, "shaky", "restart").await.json()["pid"], 2);
    let status = get(&app, "/integrations/shaky/status").await;
    assert_eq!((&status["status"], status.get("last_error")), (&json!("running"), None));
    let dead = install(&app, json!({ "source": "http://127.0.0.1:1/mcp", "id": "dead" })).await;
    assert_eq!(dead.status, StatusCode::CREATED);
    assert_error(&act(&app, "dead", "start").await, 502, "ProviderError");
    assert_error(&app.admin(Method::GET, "/integrations/dead/tools", None).await, 409, "InvalidState");
    assert_eq!(get(&app, "/integrations/dead/status").await["status"], "stopped");
}

#[tokio::test]
async fn the_list_is_in_the_order_of_installation_also_for_what_was_removed_and_installed_again() {
    let app = app();
    let add = async |id: &str| {
        app.clock.advance(Duration::from_millis(2));
        let body = json!({ "source": format!("http://127.0.0.1:1/{id}"), "id": id, "name": id });
        assert_eq!(install(&app, body).await.status, StatusCode::CREATED);
    };
    let ids = async |path: &str| {
        let page = get(&app, path).await;
        let lines = page["integrations"].as_array().unwrap();
        let ids: Vec<String> = lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next_cursor"].as_str().map(ToOwned::to_owned))
    };
    for id in ["a", "b", "c", "d"] {
        add(id).await;
    }
    let (first, cursor) = ids("/integrations?limit=2").await;
    assert_eq!(first, ["a", "b"]);
    app.admin(Method::DELETE, "/integrations/a", None).await;
    add("a").await;
    assert_eq!(ids("/integrations").await.0, ["b", "c", "d", "a"]);
    // A cursor from before leads on from where it was given out.
    let next = format!("/integrations?limit=2&cursor={}", cursor.unwrap());
    let (second, cursor) = ids(&next).await;
    assert_eq!(second, ["c", "d"]);
    let last = format!("/integrations?limit=2&cursor={}", cursor.unwrap());
    assert_eq!(ids(&last).await, (vec!["a".to_owned()], None));
}

#[tokio::test]
async fn the_list_is_paged_where_a_limit_is_given() {
    let app = app();
    for number in 0..5 {
        install(&app, json!({ "source": "http://127.0.0.1:1/mcp", "id": format!("i-{number}"), "name": number.to_string() })).await;
        app.clock.advance(Duration::from_millis(1));
    }
    let mut ids = Vec::new();
    let mut path = "/integrations?limit=2".to_owned();
    loop {
        let page = get(&app, &path).await;
        ids.extend(
            page["integrations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page.get("next_cursor") else { break };
        path = format!("/integrations?limit=2&cursor={}", cursor.as_str().unwrap());
    }
    assert_eq!(ids, ["i-0", "i-1", "i-2", "i-3", "i-4"]);
    for bad in ["limit=0", "limit=1001", "limit=x", "cursor=x"] {
        let refused = app.admin(Method::GET, &format!("/integrations?{bad}"), None).await;
        assert_error(&refused, 400, "ValidationError");
    }
}
