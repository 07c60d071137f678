//! Stored credentials and the calls that present them: an envelope opens only where it was sealed for, and a credential
//! is not presented to another origin than the one that it was given for.

use http::Method;
use kernel::ports::Statement;
use kernel::seal::Cell;
use kernel::secret::Secret;
use native::App;
use postern_core::model::credential::{Kind, SealedCredential, origin_of};
use postern_core::model::integration::AuthMode;
use postern_core::model::oauth_client::{AuthMethod, OauthClient};
use postern_core::model::token_set::TokenSet;
use postern_core::store::credentials::{TokenTimes, put, put_tokens, resolve};
use postern_core::store::integrations::{NOBODY, find};
use postern_core::store::schema::MIGRATIONS;
use postern_core::vault;
use serde_json::{Value, json};
use stub_upstream::Stub;

use crate::common::{app, last, modern, register, stub};

const OWNER: &str = "apikey:bootstrap";

/// Registers an integration to which users bring a token, and connects the administrator.
async fn connected(app: &App, name: &str, url: &str) -> String {
    let body = json!({ "name": name, "url": url, "authMode": "user_token" });
    let created = app.admin(Method::POST, "/api/v1/integrations", body).await;
    let id = created.json()["integration"]["id"].as_str().expect("created").to_owned();
    app.settle().await;
    connect(app, &id).await;
    id
}

async fn connect(app: &App, id: &str) {
    let path = format!("/api/v1/integrations/{id}/connection");
    let connected = app.admin(Method::POST, &path, json!({ "token": "canary-token" })).await;
    assert_eq!(connected.status, 201, "{}", connected.text);
    app.settle().await;
}

async fn is_connected(app: &App, id: &str) -> bool {
    let shown = app.admin(Method::GET, &format!("/api/v1/integrations/{id}/connection"), None).await;
    shown.json()["connection"]["connected"].as_bool().expect("a connection")
}

async fn echo(app: &App, name: &str) -> Value {
    let params = json!({ "name": format!("{name}__echo"), "arguments": { "message": "hi" } });
    let reply = modern(app, &app.admin, "/mcp", "tools/call", params).await;
    last(&reply)["result"].clone()
}

/// Changes every integration's URL behind Postern's back: the same server under another name is another origin.
async fn rename_host(app: &App) {
    let sql = "UPDATE integrations SET url = replace(url, '127.0.0.1', 'localhost') RETURNING id";
    app.rows(sql).await.unwrap();
}

/// How many requests carried the token.
fn presented(stub: &Stub) -> usize {
    let carries = |header: Option<&str>| header.is_some_and(|value| value.contains("canary-token"));
    stub.requests().iter().filter(|request| carries(request.header("authorization"))).count()
}

fn tokens(server: &Stub) -> TokenSet {
    TokenSet {
        access_token: Secret::new("canary-token".to_owned()),
        refresh_token: None,
        scope: None,
        issuer: None,
        token_endpoint: server.url("/token"),
        revocation_endpoint: None,
        resource: None,
        is_client_credentials: false,
        client: OauthClient {
            client_id: "c".to_owned(),
            client_secret: None,
            auth_method: AuthMethod::None,
            registered: false,
        },
    }
}

#[tokio::test]
async fn a_credential_is_not_presented_to_another_origin_than_its_own() {
    let (app, stub) = (app(&[]), stub());
    let id = connected(&app, "Moved", &stub.url("/guarded/plain/modern")).await;
    assert_eq!(echo(&app, "moved").await["content"][0]["text"], "Echo: hi");
    rename_host(&app).await;
    app.platform.forget_integrations();
    let before = presented(&stub);
    let told = echo(&app, "moved").await;
    assert_eq!(told["isError"], true, "{told}");
    assert!(told.to_string().contains("connected it at another server"), "{told}");
    app.admin(Method::POST, &format!("/api/v1/integrations/{id}/validate"), None).await;
    assert_eq!(presented(&stub), before, "the token was sent");
    assert!(!is_connected(&app, &id).await);
    // Connecting anew gives a credential for the new origin.
    connect(&app, &id).await;
    assert!(is_connected(&app, &id).await);
    assert_eq!(echo(&app, "moved").await["content"][0]["text"], "Echo: hi");
}

#[tokio::test]
async fn a_credential_whose_stored_origin_was_changed_is_not_presented() {
    let (app, stub) = (app(&[]), stub());
    let id = connected(&app, "Forged", &stub.url("/guarded/plain/modern")).await;
    // Whoever can write to the database changes both the URL and the credential's origin.
    rename_host(&app).await;
    app.rows("UPDATE credentials SET origin = replace(origin, '127.0.0.1', 'localhost') RETURNING id")
        .await
        .unwrap();
    app.platform.forget_integrations();
    let before = presented(&stub);
    let told = echo(&app, "forged").await;
    assert_eq!(told["isError"], true, "{told}");
    app.admin(Method::POST, &format!("/api/v1/integrations/{id}/validate"), None).await;
    assert_eq!(presented(&stub), before, "the token was sent");
}

#[tokio::test]
async fn a_credential_opens_only_in_its_own_integration() {
    let (app, stub) = (app(&[]), stub());
    let one = connected(&app, "One", &stub.url("/modern")).await;
    let two = connected(&app, "Two", &stub.url("/modern")).await;
    let sealed = resolve(&app.platform, &one, OWNER).await.unwrap().expect("connected");
    assert!(vault::open(&app.platform, &sealed).is_some());
    for moved in [
        SealedCredential { integration_id: two, ..sealed.clone() },
        SealedCredential { origin: Some("https://evil.example.com".to_owned()), ..sealed.clone() },
        SealedCredential { origin: None, ..sealed.clone() },
        SealedCredential { owner: "apikey:eve".to_owned(), ..sealed.clone() },
    ] {
        assert!(vault::open(&app.platform, &moved).is_none(), "{moved:?}");
    }
}

#[tokio::test]
async fn tokens_that_arrive_after_their_integration_moved_are_not_stored() {
    let (app, stub) = (app(&[]), stub());
    let body = json!({ "name": "Late", "url": stub.url("/modern"), "authMode": "oauth" });
    let created = app.admin(Method::POST, "/api/v1/integrations", body).await;
    let id = created.json()["integration"]["id"].as_str().expect("created").to_owned();
    app.settle().await;
    let before = find(&app.platform, NOBODY, &id).await.unwrap().expect("registered");
    let granted = vault::seal_tokens(&app.platform, &before, OWNER, &tokens(&stub)).unwrap();
    for (moved, is_stored) in [
        // Another path is still the same server.
        ("UPDATE integrations SET url = replace(url, '/modern', '/dual') RETURNING id", true),
        // The new origin begins with the text of the former one.
        ("UPDATE integrations SET url = replace(url, '/dual', '0/dual') RETURNING id", false),
        (
            "UPDATE integrations
             SET url = replace(replace(url, '0/dual', '/dual'), '127.0.0.1', 'localhost') RETURNING id",
            false,
        ),
    ] {
        assert_eq!(app.rows(moved).await.unwrap().len(), 1);
        let stored = put_tokens(&app.platform, &granted, TokenTimes::default()).await.unwrap();
        assert_eq!(stored, is_stored, "{moved}");
    }
}

#[tokio::test]
async fn a_credential_sealed_by_an_older_version_still_opens_and_is_bound_when_it_is_written() {
    let (app, stub) = (app(&[]), stub());
    let id = connected(&app, "Older", &stub.url("/guarded/plain/modern")).await;
    // What an older version stored: an envelope bound to row, column and owner, and no origin.
    let row = "3f6c1c1e-0000-4000-8000-000000000001";
    let cell = Cell { table: "credentials", row, column: "sealed", owner: OWNER, within: &[] };
    let keys = &app.platform.settings.keys;
    let envelope = keys.seal(app.platform.random.as_ref(), cell, b"canary-token").unwrap();
    assert!(envelope.starts_with("v1."));
    let current = resolve(&app.platform, &id, OWNER).await.unwrap().expect("connected");
    let old = SealedCredential { id: row.to_owned(), sealed: envelope, origin: None, ..current };
    let revision = find(&app.platform, NOBODY, &id).await.unwrap().expect("registered").revision;
    assert!(put(&app.platform, &id, revision, &old).await.unwrap());
    assert_eq!(echo(&app, "older").await["content"][0]["text"], "Echo: hi");

    // Written again, it is bound to its integration and origin.
    connect(&app, &id).await;
    let new = resolve(&app.platform, &id, OWNER).await.unwrap().expect("connected");
    assert!(new.sealed.starts_with("v2.") && new.origin.is_some(), "{new:?}");
    assert_eq!(echo(&app, "older").await["content"][0]["text"], "Echo: hi");

    // A token set that an older version sealed is bound when its renewed tokens are sealed.
    let set = tokens(&stub);
    let json = set.to_json().unwrap();
    let envelope = keys.seal(app.platform.random.as_ref(), cell, json.as_bytes()).unwrap();
    let old = SealedCredential { kind: Kind::Oauth, sealed: envelope, ..old };
    assert!(vault::open_tokens(&app.platform, &old).is_some());
    let sealed = vault::reseal_tokens(&app.platform, &old, &set).unwrap();
    let renewed = SealedCredential { sealed, ..old };
    assert!(vault::open_tokens(&app.platform, &renewed).is_some());
    let moved = SealedCredential { integration_id: "another".to_owned(), ..renewed };
    assert!(vault::open_tokens(&app.platform, &moved).is_none());
}

#[tokio::test]
async fn the_migration_knows_the_origin_of_every_url() {
    let app = app(&[]);
    for (number, url) in [
        "https://mcp.example.com/",
        "https://mcp.example.com/v1//mcp?next=https://other.example.com/x",
        "https://mcp.example.com/?key=a/b",
        "https://mcp.example.com:8443/mcp",
        "http://127.0.0.1:3000/mcp",
        "https://[2606:4700::1111]:8443/mcp",
    ]
    .into_iter()
    .enumerate()
    {
        app.place(&format!("Place {number}"), url, AuthMode::UserToken).await;
    }
    app.rows(
        "INSERT INTO credentials (id, integration_id, owner, kind, sealed, created_at, updated_at)
         SELECT id, id, 'apikey:ann', 'token', '', 1, 1 FROM integrations RETURNING id",
    )
    .await
    .unwrap();
    let mut statements = MIGRATIONS.into_iter().flat_map(|file| file.split(";\n"));
    let fill = statements.find(|statement| statement.contains("UPDATE credentials SET origin")).unwrap();
    app.platform.sql.execute(Statement::new(fill)).await.unwrap();
    let filled = "SELECT i.url, c.origin FROM credentials c JOIN integrations i ON i.id = c.integration_id";
    let rows = app.rows(filled).await.unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let mut row = row.read();
        let (url, origin) = (row.text().unwrap(), row.optional_text().unwrap());
        assert_eq!(origin, origin_of(&url), "{url}");
    }
}

#[tokio::test]
async fn the_tools_of_one_integration_are_listed_in_its_upstreams_order_over_all_pages() {
    let app = app(&[]);
    let stub = Stub::start(stub_upstream::Options { extra_tools: 600, ..Default::default() }).unwrap();
    crate::common::register(&app, "Ordered", &stub.url("/modern")).await;
    for (path, prefix) in [("/integrations/ordered/mcp", ""), ("/mcp", "ordered__")] {
        let mut names: Vec<String> = Vec::new();
        let mut params = json!({});
        loop {
            let page = last(&modern(&app, &app.admin, path, "tools/list", params).await)["result"].clone();
            let tools = page["tools"].as_array().unwrap();
            names.extend(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
        let real = ["echo", "add", "slow_progress", "gated_progress", "fail", "protocol_error", "mirrored"];
        let expected: Vec<String> = real
            .iter()
            .map(ToString::to_string)
            .chain((0..600).map(|number| format!("tool_{number:03}")))
            .map(|name| format!("{prefix}{name}"))
            .collect();
        assert_eq!(names, expected, "{path}");
    }
}

/// Nobody is connected to the new server, so its tools are not known: those of the former one do not stand for them.
#[tokio::test]
async fn a_server_that_has_moved_is_offered_for_connecting() {
    let (app, stub) = (app(&[("PUBLIC_URL", "https://postern.test")]), stub());
    let id = register(&app, "Moved", &stub.url("/modern")).await;
    app.settle().await;
    app.rows("UPDATE integrations SET auth_mode = 'oauth' RETURNING id").await.unwrap();
    let tools = async || {
        app.platform.forget_integrations();
        let reply = modern(&app, &app.admin, "/mcp", "tools/list", json!({})).await;
        let tools = last(&reply)["result"]["tools"].as_array().expect("tools").clone();
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let known = tools().await;
    assert!(
        known.contains(&"moved__echo".to_owned()) && !known.contains(&"moved__connect".to_owned()),
        "{known:?}"
    );
    let url = stub.url("/guarded/modern").replace("127.0.0.1", "localhost");
    let moved = app.admin(Method::PATCH, &format!("/api/v1/integrations/{id}"), json!({ "url": url })).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    app.settle().await;
    assert_eq!(tools().await, ["moved__connect"]);
}
