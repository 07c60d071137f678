//! Rate limits: 429 in the dialect of each family, per caller and per address, and never a lock-out.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use native::App;

const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

fn app(settings: &[(&str, &str)]) -> App {
    let app = App::new(integrations::families(), settings);
    app.address.set(Some(IpAddr::from([192, 0, 2, 7])));
    // Whole minutes are the windows: a test must not straddle two of them.
    let rest = app.platform.now().millis().rem_euclid(60_000).unsigned_abs();
    app.clock.advance(Duration::from_millis(60_000 - rest));
    app
}

async fn list(app: &App, key: &str) -> native::Reply {
    app.send(Method::GET, "/api/v1/integrations", &[("x-api-key", key)], "").await
}

#[tokio::test]
async fn a_caller_beyond_its_limit_waits_for_the_next_minute_and_others_do_not() {
    let app = app(&[("REQUESTS_PER_MINUTE", "30")]);
    assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
    let other = app.key("other", &["admin"], None).await;
    for _ in 1..30 {
        assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
    }
    let refused = list(&app, &app.admin).await;
    assert_eq!(refused.status, TOO_MANY);
    assert_eq!(
        (refused.json()["statusCode"].clone(), refused.json()["code"].clone()),
        (429.into(), "rate_limited".into())
    );
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(list(&app, &other).await.status, StatusCode::OK);
    app.clock.advance(Duration::from_secs(seconds));
    assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
}

#[tokio::test]
async fn each_dialect_says_429_in_its_own_form() {
    let app = app(&[("REQUESTS_PER_MINUTE", "1")]);
    assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
    let refused = app.admin(Method::GET, "/integrations", None).await;
    assert_eq!(refused.status, TOO_MANY);
    assert_eq!(refused.json()["error"]["category"], "RateLimited", "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn failures_at_an_address_get_429_and_never_shut_out_a_valid_key() {
    let app = app(&[("ANONYMOUS_REQUESTS_PER_MINUTE", "5")]);
    assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(list(&app, "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = list(&app, "wrong").await;
    assert_eq!(refused.status, TOO_MANY);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(app.send(Method::GET, "/health", &[], "").await.status, TOO_MANY, "nor does it need a key");
    assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
    // A client cannot choose another address by a header.
    let forged = [("x-forwarded-for", "203.0.113.9"), ("x-api-key", "wrong")];
    assert_eq!(app.send(Method::GET, "/api/v1/integrations", &forged, "").await.status, TOO_MANY);
    app.address.set(Some(IpAddr::from([192, 0, 2, 8])));
    assert_eq!(list(&app, "wrong").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_trusted_proxys_header_names_the_client_and_its_last_entry_counts() {
    let app = app(&[("ANONYMOUS_REQUESTS_PER_MINUTE", "1"), ("CLIENT_ADDRESS_HEADER", "X-Forwarded-For")]);
    let status = async |entries: &'static str| {
        app.send(Method::GET, "/health", &[("x-forwarded-for", entries)], "").await.status
    };
    assert_eq!(status("198.51.100.1").await, StatusCode::OK);
    assert_eq!(status("198.51.100.1").await, TOO_MANY);
    assert_eq!(status("198.51.100.2").await, StatusCode::OK);
    assert_eq!(
        status("203.0.113.9, 198.51.100.1").await,
        TOO_MANY,
        "what stands first came with the request"
    );
}

#[tokio::test]
async fn two_instances_count_together_and_a_warm_request_reads_no_counter() {
    let mut app = app(&[("REQUESTS_PER_MINUTE", "40")]);
    assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
    assert_eq!(app.database.count("rate_limits"), 0, "the first request of a step is not reported");
    for _ in 1..30 {
        assert_eq!(list(&app, &app.admin).await.status, StatusCode::OK);
    }
    app.settle().await;
    assert_eq!(app.database.count("rate_limits"), 1, "one row for the caller");
    // The other instance has memory of its own, and the same database.
    app.platform.ports.memory = Rc::default();
    let mut admitted = 0;
    while list(&app, &app.admin).await.status == StatusCode::OK {
        app.settle().await;
        admitted += 1;
        assert!(admitted < 40, "the other instance knows nothing of the first one's requests");
    }
    assert!((10..=14).contains(&admitted), "{admitted}");
}
