//! The migration that gave principals ids: what was stored before goes on working, and what nobody owns any more ends.

use http::Method;
use http::header::{AUTHORIZATION, HeaderMap};
use kernel::digest::sha256_hex;
use kernel::ports::Statement;
use kernel::seal::Cell;
use native::{App, OsRandom, Sqlite};
use postern_core::auth::caller::{authenticate, name_of};
use postern_core::model::api_key::generate;
use postern_core::model::credential::Values;
use postern_core::oauth::ended_owners;
use postern_core::store::credentials;
use postern_core::vault;
use serde_json::json;

/// How many migrations there were before.
const BEFORE: usize = 5;

async fn run(app: &App, sql: &'static str, values: &[&str]) {
    let statement = values.iter().fold(Statement::new(sql), |statement, value| statement.bind(*value));
    app.platform.sql.execute(statement).await.unwrap();
}

async fn store(app: &App, integration: &str, owner: &str) {
    // As earlier versions sealed, which bound neither the integration nor the origin.
    let id = app.platform.uuid().unwrap().to_string();
    let cell = Cell { table: "credentials", row: &id, column: "sealed", owner, within: &[] };
    let (_, text) = Values::token("canary".to_owned()).to_text().unwrap();
    let sealed = app.platform.settings.keys.seal(&OsRandom, cell, text.as_bytes()).unwrap();
    assert!(sealed.starts_with("v1."), "{sealed}");
    let sql = "INSERT INTO credentials (id, integration_id, owner, sealed, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, 0, 0)";
    run(app, sql, &[&id, integration, owner, &sealed]).await;
}

#[tokio::test]
async fn credentials_of_keys_from_before_go_on_working_and_those_of_deleted_keys_end() {
    let database = Sqlite::empty();
    database.migrate(..BEFORE);
    let app = App::over(database, admin::families(), &[]);
    let (key, id) = generate(&OsRandom).unwrap();
    let insert_key =
        "INSERT INTO api_keys (id, name, hash, roles, created_at) VALUES (?1, ?2, ?3, '[\"admin\"]', 0)";
    run(&app, insert_key, &[&id, "veteran", &sha256_hex(key.expose().as_bytes())]).await;
    // What earlier versions stored for the setting BOOTSTRAP_ADMIN_KEY.
    let (former, former_id) = generate(&OsRandom).unwrap();
    run(&app, insert_key, &[&former_id, "bootstrap", &sha256_hex(former.expose().as_bytes())]).await;
    let insert_integration = "INSERT INTO integrations (id, slug, name, url, category, auth_mode, next_validation_at, \
                              created_at, updated_at) VALUES (?1, 'up', 'Up', 'https://example.com/mcp', \
                              'gateway_remote_mcp', 'user_token', 0, 0, 0)";
    run(&app, insert_integration, &["i"]).await;
    for owner in ["organization", "apikey:veteran", "apikey:gone", "apikey:bootstrap"] {
        store(&app, "i", owner).await;
    }

    app.database.migrate(BEFORE..);
    let caller = async |key: &str| {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {key}").parse().unwrap())]);
        authenticate(&app.platform, &headers).await
    };
    let veteran = caller(key.expose()).await.unwrap();
    assert_eq!((veteran.name.as_str(), veteran.email.as_deref()), ("veteran", Some("veteran@apikey.local")));
    assert_eq!(name_of(&app.platform, &veteran.subject).await.unwrap().as_deref(), Some("veteran"));
    assert_eq!(name_of(&app.platform, "apikey:gone").await.unwrap(), None);
    assert!(caller(former.expose()).await.is_err(), "the setting has another value");
    let bootstrap = caller(&app.admin).await.unwrap();
    for subject in [&veteran.subject, &bootstrap.subject] {
        let own = credentials::resolve(&app.platform, "i", subject).await.unwrap().unwrap();
        assert_eq!(&own.owner, subject);
        assert!(vault::open(&app.platform, &own).is_some(), "{subject}");
    }

    assert_eq!(ended_owners::sweep(&app.platform, 10).await.unwrap(), 1);
    assert_eq!(ended_owners::sweep(&app.platform, 10).await.unwrap(), 0);
    assert_eq!(app.database.count("credentials"), 3);

    // A key of the old form is deleted like any other, and its name does not bring its principal back.
    let path = "/api/v1/admin/auth/keys";
    assert_eq!(app.admin(Method::DELETE, &format!("{path}/veteran"), None).await.status, 200);
    app.settle().await;
    assert_eq!(app.database.count("credentials"), 2);
    let again = app.admin(Method::POST, path, json!({ "name": "veteran", "roles": ["admin"] })).await.json();
    assert_ne!(caller(again["key"].as_str().unwrap()).await.unwrap().subject, veteran.subject);
}
