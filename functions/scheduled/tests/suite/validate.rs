//! The scheduled validation: ticks validate what is due, are bounded, and never work on the same integration at once.

use std::time::Duration;

use http::Method;
use native::App;
use serde_json::json;
use stub_upstream::{Options, Stub};

async fn register(app: &App, count: usize, url: &str) {
    for number in 0..count {
        let body = json!({ "name": format!("{url} {number}").replace(['/', ':'], " "), "url": url });
        assert_eq!(
            app.admin(Method::POST, "/api/v1/integrations", body).await.status,
            http::StatusCode::CREATED
        );
    }
}

async fn count(app: &App, sql: &'static str) -> i64 {
    app.rows(sql).await.unwrap().remove(0).read().integer().unwrap()
}

const PENDING: &str = "SELECT count(*) FROM integrations WHERE validation_status = 'pending'";

/// Runs one tick of the job `validate`.
async fn validate_due(app: &App) -> kernel::Result<usize> {
    let job = scheduled::JOBS.iter().find(|job| job.name == "validate").unwrap();
    (job.run)(&app.invocation()).await
}

#[tokio::test]
async fn a_tick_is_bounded_and_the_next_one_continues_with_the_rest() {
    let (app, stub) = (App::new(integrations::families(), &[]), Stub::start(Options::default()).unwrap());
    register(&app, 20, &stub.url("/modern")).await;
    for left in [12, 4, 0, 0] {
        scheduled::run(&app.invocation(), scheduled::JOBS[0].cron).await;
        assert_eq!(count(&app, PENDING).await, left);
    }
    assert_eq!(validate_due(&app).await.unwrap(), 0, "nothing is due again so soon");
    app.clock.advance(Duration::from_secs(21 * 60));
    assert_eq!(validate_due(&app).await.unwrap(), 8);
}

#[tokio::test]
async fn two_ticks_never_hold_the_same_integration() {
    let (app, stub) = (App::new(integrations::families(), &[]), Stub::start(Options::default()).unwrap());
    register(&app, 10, &stub.url("/legacy")).await;
    let (one, two) = futures_util::join!(validate_due(&app), validate_due(&app));
    assert_eq!((one.unwrap(), two.unwrap()), (8, 2));
    let probes = stub
        .requests()
        .iter()
        .filter(|request| request.rpc_method().as_deref() == Some("initialize"))
        .count();
    assert_eq!(probes, 10);
}

#[tokio::test]
async fn the_work_of_a_lost_tick_is_due_again_when_its_lease_ends() {
    let (app, stub) = (App::new(integrations::families(), &[]), Stub::start(Options::default()).unwrap());
    register(&app, 1, &stub.url("/modern")).await;
    assert_eq!(postern_core::store::validations::claim_due(&app.platform, 10).await.unwrap().len(), 1);
    assert_eq!(validate_due(&app).await.unwrap(), 0);
    app.clock.advance(Duration::from_secs(121));
    assert_eq!(validate_due(&app).await.unwrap(), 1);
    assert_eq!(count(&app, PENDING).await, 0);
}

#[tokio::test]
async fn a_failing_upstream_backs_off_and_delays_no_other() {
    let (app, stub) = (
        App::new(integrations::families(), &[("UPSTREAM_TIMEOUT_MS", "300")]),
        Stub::start(Options::default()).unwrap(),
    );
    register(&app, 3, &stub.url("/hang")).await;
    register(&app, 3, &stub.url("/modern")).await;
    assert_eq!(validate_due(&app).await.unwrap(), 6);
    assert_eq!(count(&app, "SELECT count(*) FROM integrations WHERE validation_status = 'valid'").await, 3);
    for minutes in [1_u64, 2, 4] {
        let due = "SELECT min(next_validation_at - last_validated_at) FROM integrations WHERE validation_status = 'invalid'";
        let least = i64::try_from(minutes).unwrap() * 60_000;
        let due = count(&app, due).await;
        assert!((least..least * 12 / 10).contains(&due), "{due} after {minutes} minutes");
        app.clock.advance(Duration::from_secs(minutes * 72));
        assert_eq!(validate_due(&app).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn an_unknown_cron_expression_does_nothing() {
    let app = App::new(integrations::families(), &[]);
    register(&app, 1, "http://127.0.0.1:1/mcp").await;
    scheduled::run(&app.platform, "0 0 1 1 *").await;
    assert_eq!(count(&app, PENDING).await, 1);
}
