//! The audit of writes, through every route of the whole product: who, which route, what about, how it was answered.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use native::App;
use serde_json::json;

const ID: &str = "00000000-0000-4000-8000-000000000001";

fn app() -> App {
    App::new(all::families(), &[])
}

/// Every route that is not GET, and whose caller is known: method and template.
fn writes() -> Vec<(Method, String)> {
    let mut writes = Vec::new();
    for routes in all::families() {
        for (method, path) in routes.listing() {
            // Agents' requests have rows of their own; the sign-in pages, the scheduler and `/health` have no caller.
            let own = ["/mcp", "/integrations/{id}/mcp"].contains(&path);
            let nobodys = ["/oauth", "/_scheduled", "/health"].iter().any(|prefix| path.starts_with(prefix));
            if method != Method::GET && !own && !nobodys {
                writes.push((method, path.to_owned()));
            }
        }
    }
    writes
}

#[tokio::test]
async fn every_write_of_every_dialect_leaves_a_row() {
    let app = app();
    let user = app.key("someone", &["developer"], None).await;
    let admin = app.key("boss", &["admin"], None).await;
    let subjects = (app.subject("boss").await, app.subject("someone").await);
    let writes = writes();
    let prefixes =
        ["/api/v1/admin", "/api/v1/integrations", "/integrations", "/mcp/integrations", "/v1/integrations"];
    for prefix in prefixes {
        assert!(writes.iter().any(|(_, path)| path.starts_with(prefix)), "no write below {prefix}");
    }
    let mut expected = BTreeSet::new();
    for (method, template) in &writes {
        let mut path = template.clone();
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, ID);
        }
        for key in [&admin, &user] {
            let body = json!({ "canary": "canary-in-a-body" }).to_string();
            let headers = [("x-api-key", key.as_str()), ("content-type", "application/json")];
            let reply = app.send(method.clone(), &path, &headers, body).await;
            assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            // The admin API refuses a key without the persona before it knows a caller.
            let unknown = template.starts_with("/api/v1/admin") && key == &user;
            if !unknown {
                let subject = if key == &admin { &subjects.0 } else { &subjects.1 };
                let status = i64::from(reply.status.as_u16());
                expected.insert((
                    reply.header("x-request-id").to_owned(),
                    format!("{method} {template}"),
                    subject.clone(),
                    status,
                    i64::from(status < 400),
                    i64::from(status != 403),
                ));
            }
        }
    }
    app.settle().await;
    let rows = app
        .rows(
            "SELECT request_id, tool_name, user_id, status, success, authorized, coalesce(target, ''), parameters
             FROM audit_events WHERE event_kind = 'management_write'",
        )
        .await
        .unwrap();
    let mut found = BTreeSet::new();
    for row in rows {
        let mut row = row.read();
        let entry = (
            row.text().unwrap(),
            row.text().unwrap(),
            row.text().unwrap(),
            row.integer().unwrap(),
            row.integer().unwrap(),
            row.integer().unwrap(),
        );
        let (target, parameters) = (row.text().unwrap(), row.text().unwrap());
        assert!(!entry.1.contains('{') || target.contains(ID), "{entry:?}: {target}");
        assert_eq!(parameters, "{}");
        found.insert(entry);
    }
    assert_eq!(found, expected);
    assert!(!app.database.dump().contains("canary-in-a-body"));
}

#[tokio::test]
async fn the_row_of_a_create_names_what_was_created() {
    let app = app();
    let body = json!({ "name": "New", "url": "https://mcp.example.com/mcp" });
    let created = app.admin(Method::POST, "/api/v1/integrations", body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    app.settle().await;
    let rows =
        app.rows("SELECT target, success, status, event_kind, source FROM audit_events").await.unwrap();
    let mut row = rows[0].clone().read();
    assert_eq!(json!(row.text().unwrap()), created.json()["integration"]["id"]);
    assert_eq!((rows.len(), row.integer().unwrap(), row.integer().unwrap()), (1, 1, 201));
    assert_eq!((row.text().unwrap().as_str(), row.text().unwrap().as_str()), ("management_write", "rest"));
}

#[tokio::test]
async fn reads_leave_no_row() {
    let app = app();
    for path in ["/api/v1/integrations", "/integrations", "/mcp/integrations", "/health"] {
        assert!(app.admin(Method::GET, path, None).await.status.is_success(), "{path}");
    }
    app.settle().await;
    assert_eq!(app.database.count("audit_events"), 0);
}
