//! The audit under stress: huge names, databases that refuse or are away, writers that the runtime stops.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use kernel::ports::{Row, Sql, SqlError, Statement, Value};
use native::App;
use postern_core::audit::{LIFE, LONGEST};
use serde_json::json;

use crate::common::{app, audit, call, legacy, register, stub};

/// D1's limit for one value, in bytes.
const LARGEST_VALUE: usize = 2_000_000;

/// A database in front of the real one that fails as a production database does.
struct Moody {
    inner: Rc<dyn Sql>,
    /// Statements with this text in a parameter are refused.
    poison: &'static str,
    /// How many writes of audit rows are refused because the database is away.
    away: Cell<u32>,
    /// Whether writes of audit rows never end.
    hangs: Cell<bool>,
}

impl Moody {
    fn before(app: &mut App) -> Rc<Self> {
        let inner = Rc::clone(&app.platform.ports.sql);
        let moody = Rc::new(Self { inner, poison: "poison", away: Cell::new(0), hangs: Cell::new(false) });
        app.platform.ports.sql = moody.clone();
        moody
    }

    async fn check(&self, statement: &Statement) -> Result<(), SqlError> {
        for value in &statement.params {
            let size = match value {
                Value::Text(text) => text.len(),
                Value::Blob(bytes) => bytes.len(),
                _ => 0,
            };
            if size > LARGEST_VALUE {
                return Err(SqlError::Other("string or blob too big: SQLITE_TOOBIG".to_owned()));
            }
            if matches!(value, Value::Text(text) if text.contains(self.poison)) {
                return Err(SqlError::Other("malformed JSON".to_owned()));
            }
        }
        if statement.sql.contains("audit_events.insert") {
            if self.hangs.get() {
                std::future::pending::<()>().await;
            }
            if let Some(left) = self.away.get().checked_sub(1) {
                self.away.set(left);
                return Err(SqlError::Unavailable("overloaded".to_owned()));
            }
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Sql for Moody {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        self.check(&statement).await?;
        self.inner.query(statement).await
    }

    async fn execute(&self, statement: Statement) -> Result<(), SqlError> {
        self.check(&statement).await?;
        self.inner.execute(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        for statement in &statements {
            self.check(statement).await?;
        }
        self.inner.batch(statements).await
    }
}

/// Calls a tool that does not exist, which leaves a row without an upstream.
async fn call_nothing(app: &App, name: &str) {
    let reply = legacy(app, &app.admin, "/mcp", call(json!(1), name, json!({}))).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
}

async fn names(app: &App) -> Vec<String> {
    audit(app).await.into_iter().map(|(name, ..)| name).collect()
}

#[tokio::test]
async fn a_huge_tool_name_is_cut_and_costs_nobody_a_row() {
    let mut app = app(&[]);
    Moody::before(&mut app);
    call_nothing(&app, "honest").await;
    let huge = "ü".repeat(1_500_000);
    call_nothing(&app, &huge).await;
    let batch =
        json!([call(json!(1), &format!("{huge}__x"), json!({})), call(json!(2), "second", json!({}))]);
    legacy(&app, &app.admin, "/mcp", batch).await;
    let names = names(&app).await;
    assert_eq!((names.len(), names[0].as_str(), names[3].as_str()), (4, "honest", "second"));
    for name in &names[1..3] {
        assert!(name.starts_with("üüü") && name.contains("[CUT: 15000") && name.len() < 1000, "{name}");
    }
    let rows = app.rows("SELECT max(length(connection)) FROM audit_events").await.unwrap();
    assert!(rows[0].clone().read().integer().unwrap() < 300);
}

#[tokio::test]
async fn many_rows_of_large_arguments_are_written_in_statements_that_the_database_takes() {
    let mut app = app(&[]);
    Moody::before(&mut app);
    // Quotes double in JSON inside JSON.
    let large = "\"".repeat(30_000);
    for n in 0..60 {
        let arguments = json!({ "n": n, "parts": [&large[..15_000], &large[15_000..]] });
        legacy(&app, &app.admin, "/mcp", call(json!(1), "large", arguments)).await;
    }
    assert_eq!(names(&app).await.len(), 60);
    let rows = app.rows("SELECT min(length(parameters)) FROM audit_events").await.unwrap();
    assert!(rows[0].clone().read().integer().unwrap() > 60_000);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_takes_no_other_with_it() {
    let mut app = app(&[]);
    Moody::before(&mut app);
    for n in 0..50 {
        call_nothing(&app, &if n == 17 { "poison".to_owned() } else { format!("tool-{n}") }).await;
    }
    let names = names(&app).await;
    assert_eq!(names.len(), 49);
    assert!(names.contains(&"tool-16".to_owned()) && names.contains(&"tool-18".to_owned()));
}

#[tokio::test]
async fn rows_wait_until_the_database_is_back() {
    let mut app = app(&[]);
    let moody = Moody::before(&mut app);
    moody.away.set(3);
    call_nothing(&app, "first").await;
    assert_eq!(names(&app).await.len(), 0, "away for three attempts");
    call_nothing(&app, "second").await;
    assert_eq!(names(&app).await, ["first", "second"]);
}

/// A runtime stops background work after about 30 s, without dropping it.
#[tokio::test]
async fn another_writer_takes_over_from_one_that_is_never_polled_again() {
    let app = app(&[]);
    call_nothing(&app, "first").await;
    app.cut_off();
    call_nothing(&app, "second").await;
    app.settle().await;
    assert_eq!(names(&app).await.len(), 0, "a writer is at work, as far as anybody knows");
    app.clock.advance(LIFE);
    call_nothing(&app, "third").await;
    assert_eq!(names(&app).await, ["first", "second", "third"]);
    // From here on everything is as before.
    call_nothing(&app, "fourth").await;
    assert_eq!(names(&app).await.len(), 4);
}

#[tokio::test]
async fn rows_of_a_writer_that_was_stopped_in_a_write_are_written_by_the_next() {
    let mut app = app(&[]);
    let moody = Moody::before(&mut app);
    call_nothing(&app, "first").await;
    moody.hangs.set(true);
    {
        let mut writing = Box::pin(app.settle());
        let ended = tokio::time::timeout(Duration::from_secs(1), &mut writing).await;
        assert!(ended.is_err(), "the write does not end");
        std::mem::forget(writing);
    }
    moody.hangs.set(false);
    app.clock.advance(LIFE);
    call_nothing(&app, "second").await;
    assert_eq!(names(&app).await, ["first", "second"]);
}

#[tokio::test]
async fn sizes_are_counted_in_characters() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    let reply =
        legacy(&app, &app.admin, "/mcp", call(json!(1), "up__echo", json!({ "message": "äöü" }))).await;
    app.settle().await;
    let rows = app
        .rows("SELECT request_chars, response_chars FROM audit_events WHERE tool_name = 'up__echo'")
        .await
        .unwrap();
    let mut row = rows[0].clone().read();
    assert_eq!(row.integer().unwrap(), i64::try_from(r#"{"message":"xxx"}"#.len()).unwrap());
    assert_eq!(row.integer().unwrap(), i64::try_from(reply.text.chars().count()).unwrap());
    assert!(reply.text.len() > reply.text.chars().count());
}

#[tokio::test]
async fn arguments_that_no_value_can_hold_are_kept_as_text_without_their_secrets() {
    let app = app(&[]);
    for arguments in [
        r#"{"n":1e999,"accessToken":"canary-1","q":"kept"}"#.to_owned(),
        format!(r#"{{"q":"kept","x-api-key":"canary-2","deep":{}{}}}"#, "[".repeat(500), "]".repeat(500)),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"none","arguments":{arguments}}}}}"#
        );
        let reply = app.send(Method::POST, "/mcp", &[("x-api-key", &app.admin)], body).await;
        assert_eq!(reply.json()["error"]["code"], -32602, "{}", reply.text);
    }
    app.settle().await;
    let rows = app
        .rows("SELECT parameters FROM audit_events WHERE tool_name = 'none' ORDER BY rowid")
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let parameters = row.read().text().unwrap();
        let text: String = serde_json::from_str(&parameters).expect("a JSON string");
        assert!(text.contains(r#""q":"kept""#) && text.contains("[REDACTED]"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_refused_endpoint_leaves_a_row() {
    let personas =
        r#"[{"name":"reader","roles":["reader"],"allow_tools":["up__*"],"allow_connections":["up"]}]"#;
    let (app, stub) = (app(&[("PERSONAS", personas)]), stub());
    register(&app, "Up", &stub.url("/modern")).await;
    register(&app, "Other", &stub.url("/modern")).await;
    let key = app.key("reader", &["reader"], None).await;
    let list = || json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(legacy(&app, &key, "/integrations/up/mcp", list()).await.status, StatusCode::OK);
    let denied = legacy(&app, &key, "/integrations/other/mcp", list()).await;
    let unknown = legacy(&app, &key, &format!("/integrations/{}/mcp", "n".repeat(500)), list()).await;
    assert_eq!((denied.status, unknown.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    app.settle().await;
    let rows = app
        .rows(
            "SELECT request_id, user_id, persona, tool_name, target, success, authorized FROM audit_events
             WHERE event_kind = 'mcp_refusal' ORDER BY rowid",
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    let read = |index: usize| {
        let mut row = rows[index].clone().read();
        let texts: Vec<String> = (0..5).map(|_| row.text().unwrap()).collect();
        (texts, row.integer().unwrap(), row.integer().unwrap())
    };
    let (texts, success, authorized) = read(0);
    let route = "POST /integrations/{id}/mcp";
    assert_eq!(
        texts,
        [denied.header("x-request-id"), app.subject("reader").await.as_str(), "reader", route, "other"]
    );
    assert_eq!((success, authorized), (0, 0));
    let (texts, success, authorized) = read(1);
    assert!(texts[4].ends_with("[CUT: 500 characters]"), "{}", texts[4]);
    assert_eq!((success, authorized), (0, 1));
}

#[tokio::test]
async fn a_call_that_is_never_polled_again_is_recorded_as_cut_off() {
    let (app, stub) = (app(&[]), stub());
    register(&app, "Up", &stub.url("/hang-call")).await;
    app.settle().await;
    {
        let message = call(json!(1), "up__echo", json!({ "message": "x" }));
        let mut calling = Box::pin(legacy(&app, &app.admin, "/mcp", message));
        let ended = tokio::time::timeout(Duration::from_millis(500), &mut calling).await;
        assert!(ended.is_err(), "the upstream does not answer");
        std::mem::forget(calling);
    }
    app.clock.advance(LONGEST + Duration::from_secs(1));
    call_nothing(&app, "next").await;
    let rows = audit(&app).await;
    let cut_off = rows.iter().find(|row| row.0 == "up__echo");
    let (name, success, authorized, error) = cut_off.expect("a row");
    assert_eq!((rows.len(), name.as_str(), success, authorized), (2, "up__echo", &0, &1));
    assert_eq!(error.as_deref(), Some("the client went away before the answer"));
}
