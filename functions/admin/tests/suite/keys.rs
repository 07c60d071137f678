//! The life of an API key over `/api/v1/admin/auth/keys`: created, used, expired, deleted, and what it leaves behind.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use kernel::memory::Topic;
use kernel::ports::{Row, Sql, SqlError, Statement};
use native::{App, Reply};
use postern_core::model::integration::AuthMode;
use postern_core::settings::Settings;
use serde_json::{Value, json};

const KEYS: &str = "/api/v1/admin/auth/keys";
const INTEGRATIONS: &str = "/api/v1/integrations";
/// An upstream at which nobody answers, to which users bring a token.
const UPSTREAM: &str = "http://127.0.0.1:9";
const PERSONAS: &str =
    r#"[{"name":"dev","roles":["dev","dev2"],"allow_connections":["*"],"allow_tools":["*"]}]"#;

fn app() -> App {
    let tables = [admin::families(), connections::families(), integrations::families()]
        .into_iter()
        .flatten()
        .collect();
    App::new(tables, &[("PERSONAS", PERSONAS)])
}

/// Creates a key, and returns its text.
async fn create(app: &App, body: Value) -> String {
    let reply = app.admin(Method::POST, KEYS, body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    reply.json()["key"].as_str().unwrap().to_owned()
}

async fn delete(app: &App, name: &str) -> Reply {
    app.admin(Method::DELETE, &format!("{KEYS}/{name}"), None).await
}

async fn status(app: &App, key: &str) -> u16 {
    app.send(Method::GET, "/mcp/integrations", &[("x-api-key", key)], "").await.status.as_u16()
}

fn problem(reply: &Reply, status: u16, detail: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.json()["detail"], detail);
}

#[tokio::test]
async fn a_key_is_shown_once_works_and_ends_at_once_when_deleted() {
    let app = app();
    let body =
        json!({ "name": "ci", "email": "ci@example.com", "description": "for builds", "roles": ["admin"] });
    let reply = app.admin(Method::POST, KEYS, body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    assert_eq!(reply.header("cache-control"), "no-store");
    let mut created = reply.json();
    let key = created["key"].take().as_str().unwrap().to_owned();
    assert!(key.starts_with("pst_") && key.len() == 64, "{key}");
    let expected = json!({
        "name": "ci", "email": "ci@example.com", "description": "for builds", "key": null, "roles": ["admin"],
        "warning": "Store this key securely. It will not be shown again.",
    });
    assert_eq!(created, expected);
    assert!(!app.database.dump().contains(&key), "only the hash is stored");

    assert_eq!(status(&app, &key).await, 200);
    let listed = app.admin(Method::GET, KEYS, None).await;
    assert!(!listed.text.contains(&key), "{}", listed.text);

    let deleted = delete(&app, "ci").await;
    assert_eq!(deleted.status, StatusCode::OK);
    assert_eq!(deleted.json(), json!({ "message": "key deleted", "name": "ci", "status": "deleted" }));
    assert_eq!(status(&app, &key).await, 401, "the instance remembered the key a moment ago");
    problem(&delete(&app, "ci").await, 404, "key not found");
}

#[tokio::test]
async fn a_key_without_an_address_or_description_gets_what_the_api_promises() {
    let app = app();
    let reply = app
        .admin(
            Method::POST,
            KEYS,
            json!({ "name": " bare ", "roles": ["dev", "dev"], "expires_in": "1h30m" }),
        )
        .await;
    let created = reply.json();
    assert_eq!(created["name"], "bare");
    assert_eq!(created["email"], "bare@apikey.local");
    assert_eq!((&created["description"], &created["roles"]), (&json!(""), &json!(["dev"])));
    assert!(created["expires_at"].is_string(), "{created}");
}

#[tokio::test]
async fn a_key_expires() {
    let app = app();
    let key = create(&app, json!({ "name": "short", "roles": ["dev"], "expires_in": "60s" })).await;
    assert_eq!(status(&app, &key).await, 200);
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(status(&app, &key).await, 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&app, &key).await, 401);
    let listed = app.admin(Method::GET, KEYS, None).await.json();
    let short = listed["keys"].as_array().unwrap().iter().find(|key| key["name"] == "short").unwrap();
    assert_eq!(short["expired"], true);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_named() {
    let app = app();
    let with = |name: &str, value: Value| {
        let mut body = json!({ "name": "a", "roles": ["dev"] });
        body[name] = value;
        body
    };
    let duration = "invalid expires_in duration: must be a number with a unit (h, m, s, ms, us, ns), several of them, \
                    such as \"720h\" or \"1h30m\"";
    for (body, detail) in [
        (json!({ "roles": ["dev"] }), "name is required"),
        (with("name", json!(" ")), "name is required"),
        (with("name", json!("x".repeat(201))), "name must have 1 to 200 characters"),
        (with("name", json!("a\nb")), "name must not contain control characters"),
        (with("name", json!("..")), "name must not be \".\" or \"..\""),
        (json!({ "name": "a" }), "roles is required"),
        (with("roles", json!([])), "roles is required"),
        (
            with("roles", json!(["dev", "canary"])),
            "roles must select a persona: no persona has role number 2",
        ),
        (with("roles", json!(["x".repeat(65)])), "roles must be at most 20 roles of at most 64 characters"),
        (with("roles", json!(vec!["dev"; 21])), "roles must be at most 20 roles of at most 64 characters"),
        (with("email", json!("canary")), "email must be an address of at most 254 characters"),
        (with("description", json!("x".repeat(2001))), "description must have at most 2000 characters"),
        (with("expires_in", json!("1d")), duration),
        (with("expires_in", json!("")), duration),
        (with("expires_in", json!("0s")), "expires_in must be a positive duration"),
        (with("expires_in", json!("-1h")), "expires_in must be a positive duration"),
        (with("expires_in", json!(60)), "expires_in: wrong type: expected a string"),
        (with("expires", json!("1h")), "unknown field \"expires\""),
    ] {
        let reply = app.admin(Method::POST, KEYS, body.clone()).await;
        problem(&reply, 400, detail);
        assert!(!reply.text.contains("canary"), "{}", reply.text);
    }
    create(&app, json!({ "name": "taken", "roles": ["service"] })).await;
    let again = app.admin(Method::POST, KEYS, json!({ "name": "taken", "roles": ["dev"] })).await;
    problem(&again, 409, "key with name \"taken\" already exists");
    let bootstrap = app.admin(Method::POST, KEYS, json!({ "name": "bootstrap", "roles": ["dev"] })).await;
    problem(&bootstrap, 409, "key with name \"bootstrap\" already exists");
    assert_eq!(app.database.count("api_keys"), 1);
}

#[tokio::test]
async fn only_administrators_see_that_there_are_keys() {
    let app = app();
    let user = create(&app, json!({ "name": "user", "roles": ["dev"] })).await;
    let path = format!("{KEYS}/user");
    for (method, path) in [(Method::GET, KEYS), (Method::POST, KEYS), (Method::DELETE, path.as_str())] {
        let reply = app.send(method.clone(), path, &[("x-api-key", &user)], "{}").await;
        problem(&reply, 401, "authentication required");
    }
    assert_eq!(app.database.count("api_keys"), 1);
}

#[tokio::test]
async fn the_list_is_in_the_order_of_names_in_pages() {
    let app = app();
    for name in ["zoe", "ann", "cut"] {
        create(&app, json!({ "name": name, "roles": ["dev"] })).await;
    }
    let page = async |query: &str| {
        let list = app.admin(Method::GET, &format!("{KEYS}{query}"), None).await.json();
        let names: Vec<_> = list["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(list["total"], 4);
        names
    };
    assert_eq!(page("").await, ["ann", "bootstrap", "cut", "zoe"]);
    assert_eq!(page("?page=0&per_page=x").await, ["ann", "bootstrap", "cut", "zoe"]);
    assert_eq!(page("?per_page=3").await, ["ann", "bootstrap", "cut"]);
    assert_eq!(page("?per_page=3&page=2").await, ["zoe"]);
    assert_eq!(page("?per_page=1000&page=4294967295").await, [""; 0]);
    let list = app.admin(Method::GET, &format!("{KEYS}?per_page=2"), None).await.json();
    let expected = json!([
        { "name": "ann", "email": "ann@apikey.local", "roles": ["dev"], "source": "database" },
        { "name": "bootstrap", "email": "bootstrap@apikey.local", "roles": ["admin"], "source": "file" },
    ]);
    assert_eq!(list["keys"], expected);
}

#[tokio::test]
async fn a_new_key_with_an_old_name_inherits_nothing_and_what_the_old_one_had_is_deleted() {
    let app = app();
    let id = app.place("Up", UPSTREAM, AuthMode::UserToken).await.id;
    let connection = format!("{INTEGRATIONS}/{id}/connection");
    let alice = json!({ "name": "alice", "roles": ["dev"] });
    let first = create(&app, alice.clone()).await;
    let added = app.send(Method::POST, &connection, &[("x-api-key", &first)], r#"{"token":"t"}"#).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let connected = async |key: &str| {
        let reply = app.send(Method::GET, &connection, &[("x-api-key", key)], "").await;
        reply.json()["connection"]["status"].as_str().map(str::to_owned)
    };
    let before = connected(&first).await;

    // The second key exists before anything of the first one was cleaned up.
    delete(&app, "alice").await;
    let second = create(&app, alice).await;
    assert_eq!(app.database.count("credentials"), 1);
    assert_ne!(connected(&second).await, before);
    app.settle().await;
    assert_eq!(app.database.count("credentials"), 0);
    assert_eq!(app.database.count("principals WHERE swept_at IS NOT NULL"), 1);
}

/// A request that was under way when its key was deleted must not leave a credential that nobody would ever delete.
#[tokio::test]
async fn nothing_is_stored_for_a_deleted_principal() {
    use postern_core::model::credential::Values;
    use postern_core::store::{credentials, integrations};

    let app = app();
    let id = app.place("Up", UPSTREAM, AuthMode::UserToken).await.id;
    create(&app, json!({ "name": "late", "roles": ["dev"] })).await;
    let rows = app.rows("SELECT id FROM principals WHERE name = 'late'").await.unwrap();
    let owner = rows[0].clone().read().text().unwrap();
    let revision = integrations::find(&app.platform, &owner, &id).await.unwrap().unwrap().revision;
    let values = Values::token("t".to_owned());
    let sealed = postern_core::vault::seal(&app.platform, &id, UPSTREAM, &owner, &values).unwrap();
    assert!(credentials::put(&app.platform, &id, revision, &sealed).await.unwrap());
    delete(&app, "late").await;
    app.settle().await;
    assert!(!credentials::put(&app.platform, &id, revision, &sealed).await.unwrap());
    assert_eq!(app.database.count("credentials"), 0);
}

fn with_bootstrap(app: &mut App, key: Option<&str>) {
    let lookup = |name: &str| match name {
        "ENCRYPTION_KEY" => Some("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".to_owned()),
        "BOOTSTRAP_ADMIN_KEY" => key.map(str::to_owned),
        "PERSONAS" => Some(PERSONAS.to_owned()),
        "ALLOW_LOOPBACK_UPSTREAMS" => Some("true".to_owned()),
        _ => None,
    };
    app.platform.settings = Rc::new(Settings::load(lookup).unwrap());
}

#[tokio::test]
async fn another_value_of_the_bootstrap_key_ends_the_former_one_and_keeps_its_principal() {
    let mut app = app();
    let (old, new) = (app.admin.clone(), format!("pst_{}_{}", "0".repeat(16), "A".repeat(43)));
    let id = app.place("Up", UPSTREAM, AuthMode::UserToken).await.id;
    let connection = format!("{INTEGRATIONS}/{id}/connection");
    app.admin(Method::POST, &connection, json!({ "token": "t" })).await;
    let state = app.admin(Method::GET, &connection, None).await.json()["connection"]["status"].clone();
    assert!(state.is_string());

    with_bootstrap(&mut app, Some(&new));
    assert_eq!(status(&app, &old).await, 401);
    assert_eq!(status(&app, &new).await, 200);
    let reply = app.send(Method::GET, &connection, &[("x-api-key", &new)], "").await;
    assert_eq!(reply.json()["connection"]["status"], state, "the principal is the same");
    app.admin = new.clone();
    problem(
        &delete(&app, "bootstrap").await,
        409,
        "the key \"bootstrap\" is the value of the setting BOOTSTRAP_ADMIN_KEY: change or remove it there",
    );

    // Another administrator makes the setting unnecessary.
    let other = create(&app, json!({ "name": "other", "roles": ["admin"] })).await;
    with_bootstrap(&mut app, None);
    assert_eq!((status(&app, &new).await, status(&app, &other).await), (401, 200));
    app.admin = other;
    problem(&delete(&app, "bootstrap").await, 404, "key not found");
}

/// A database in which the key is deleted while `api_keys.find` is on its way back with the row.
struct Racing {
    inner: Rc<dyn Sql>,
    memory: Rc<kernel::memory::Memory>,
    armed: Cell<bool>,
}

#[async_trait(?Send)]
impl Sql for Racing {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        let races = statement.sql.starts_with("-- api_keys.find") && self.armed.replace(false);
        let rows = self.inner.query(statement).await;
        if races {
            self.inner.execute(Statement::new("DELETE FROM api_keys WHERE name = 'racer'")).await?;
            self.memory.forget(Topic::Keys);
        }
        rows
    }

    async fn execute(&self, statement: Statement) -> Result<(), SqlError> {
        self.inner.execute(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        self.inner.batch(statements).await
    }
}

#[tokio::test]
async fn a_read_that_meets_a_deletion_does_not_bring_the_key_back() {
    let mut app = app();
    let key = create(&app, json!({ "name": "racer", "roles": ["dev"] })).await;
    app.platform.ports.sql = Rc::new(Racing {
        inner: Rc::clone(&app.platform.ports.sql),
        memory: Rc::clone(&app.platform.ports.memory),
        armed: Cell::new(true),
    });
    assert_eq!(status(&app, &key).await, 200, "this request read the row before the deletion");
    assert_eq!(status(&app, &key).await, 401);
}
