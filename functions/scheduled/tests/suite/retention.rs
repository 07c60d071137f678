//! The job `retention`: what is old goes, what is not stays, a tick is bounded, and its cost follows what it deletes.

use kernel::ports::Statement;
use native::App;
use postern_core::store::retention::Old;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Runs one tick with the limits of a free plan.
async fn tick(app: &App) -> usize {
    let job = scheduled::JOBS.iter().find(|job| job.name == "retention").unwrap();
    (job.run)(&app.invocation()).await.unwrap()
}

async fn execute(app: &App, sql: &'static str, age: i64) {
    let time = app.platform.now().millis() - age;
    app.platform.sql.execute(Statement::new(sql).bind(time)).await.unwrap();
}

/// Stores `$count` audit rows of the time `?1`.
macro_rules! audit_rows {
    ($count:literal) => {
        concat!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ",
            $count,
            ") INSERT INTO audit_events (id, timestamp, duration_ms, request_id, user_id, tool_name, toolkit_kind, parameters,
                success, request_chars, response_chars, content_blocks, transport, source, authorized)
            SELECT hex(randomblob(16)), ?1, 1, 'r', 'u', 't', 'mcp', '{}', 1, 1, 1, 1, 'http', 'mcp', 1 FROM n"
        )
    };
}

#[tokio::test]
async fn rows_are_kept_for_their_time_and_then_deleted() {
    let app = App::new(Vec::new(), &[("AUDIT_RETENTION_DAYS", "30"), ("AUTH_EVENT_RETENTION_DAYS", "10")]);
    let auth_event =
        "INSERT INTO auth_events (id, occurred_at, integration_id, slug, owner, event_type, actor)
                      VALUES (hex(randomblob(8)), ?1, 'i', 's', 'o', 'connected', 'a')";
    let client = "INSERT INTO oauth_clients (issuer, redirect_origin, sealed, created_at, expires_at)
                  VALUES (hex(randomblob(8)), 'o', 's', 0, ?1)";
    let counter =
        "INSERT INTO rate_limits (source, window_start, requests) VALUES (hex(randomblob(8)), ?1, 1)";
    for age in [31 * DAY, 29 * DAY] {
        execute(&app, audit_rows!("3"), age).await;
    }
    // Rows of every kind go: calls, refusals, writes over the management APIs.
    let kinds = "UPDATE audit_events SET event_kind =
                   CASE rowid % 3 WHEN 0 THEN 'mcp_tool_call' WHEN 1 THEN 'mcp_refusal' ELSE 'management_write' END
                 WHERE timestamp < ?1";
    execute(&app, kinds, 30 * DAY).await;
    // A deleted principal stays, so that its id is never given to another.
    let principal = "INSERT INTO principals VALUES ('key:old', 'old', 0, ?1, ?1)";
    execute(&app, principal, 4000 * DAY).await;
    for age in [11 * DAY, 9 * DAY] {
        execute(&app, auth_event, age).await;
    }
    for age in [1, -DAY] {
        execute(&app, client, age).await;
    }
    for age in [10 * 60 * 1000, 0] {
        execute(&app, counter, age).await;
    }
    app.platform
        .sql
        .execute(Statement::new("INSERT INTO oauth_clients VALUES ('for ever', 'o', 's', 0, NULL)"))
        .await
        .unwrap();
    assert_eq!(tick(&app).await, 3 + 1 + 1 + 1);
    let counts = ["audit_events", "auth_events", "oauth_clients", "rate_limits", "principals"]
        .map(|table| app.database.count(table));
    // The other principal is the one of the setting BOOTSTRAP_ADMIN_KEY.
    assert_eq!(counts, [3, 1, 2, 1, 2]);
    assert_eq!(tick(&app).await, 0);
}

#[tokio::test]
async fn a_tick_is_bounded_and_the_next_one_continues() {
    let app = App::new(Vec::new(), &[]);
    execute(&app, audit_rows!("40000"), 91 * DAY).await;
    execute(&app, audit_rows!("5"), 0).await;
    let first = tick(&app).await;
    assert!((20_000..40_000).contains(&first), "{first}");
    assert_eq!(tick(&app).await, 40_000 - first);
    assert_eq!(app.database.count("audit_events"), 5);
}

/// Every row to delete is found by its time in an index; no table is read as a whole.
#[tokio::test]
async fn the_cost_of_a_tick_follows_what_it_deletes() {
    let app = App::new(Vec::new(), &[]);
    for old in Old::ALL {
        let statement = old.statement();
        let explain: &'static str = format!("EXPLAIN QUERY PLAN {}", statement.sql).leak();
        let rows = app.platform.sql.query(Statement::new(explain).bind(0_i64)).await.unwrap();
        let plan: Vec<String> = rows
            .into_iter()
            .map(|row| {
                let mut row = row.read();
                for _ in 0..3 {
                    row.integer().unwrap();
                }
                row.text().unwrap()
            })
            .collect();
        assert!(plan.iter().any(|step| step.contains("INDEX") && step.contains("<?")), "{old:?}: {plan:?}");
        assert!(
            !plan.iter().any(|step| step.contains("SCAN") || step.contains("B-TREE")),
            "{old:?}: {plan:?}"
        );
    }
}
