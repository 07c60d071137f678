//! The limits of production hold for whole-router tests.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kernel::ports::{Background as _, Statement};
use native::{App, Later, Limits};

const VALUE: &str = "SELECT length(?1)";

#[tokio::test]
async fn the_database_refuses_what_d1_refuses() {
    let sql = App::new(Vec::new(), &[]).platform.ports.sql;
    let value = |length| Statement::new(VALUE).bind("x".repeat(length));
    assert!(sql.query(value(2_000_000)).await.is_ok());
    assert!(sql.query(value(2_000_001)).await.is_err());
    // A row of several values, each of which would pass.
    let row = "INSERT INTO api_keys (id, name, hash, roles, created_at) VALUES (?1, ?2, ?3, '[]', 0)";
    let half = "x".repeat(1_000_000);
    let row = Statement::new(row).bind(half.as_str()).bind(half.as_str()).bind("h");
    assert!(sql.execute(row).await.is_err());
    for (parameters, accepted) in [(100, true), (101, false)] {
        let places: Vec<String> = (1..=parameters).map(|number| format!("?{number}")).collect();
        let mut statement = Statement::new(format!("SELECT {}", places.join("+")).leak());
        for _ in 0..parameters {
            statement = statement.bind(1_i64);
        }
        assert_eq!(sql.query(statement).await.is_ok(), accepted, "{parameters}");
    }
    for (length, accepted) in [(100_000, true), (100_001, false)] {
        let text = format!("SELECT 1 --{}", "x".repeat(length - "SELECT 1 --".len())).leak();
        assert_eq!(sql.query(Statement::new(text)).await.is_ok(), accepted, "{length}");
    }
}

#[tokio::test]
async fn an_invocation_has_so_many_queries_and_subrequests() {
    let app = App::new(Vec::new(), &[]);
    app.limit(Limits { subrequests: 2, queries: 3 });
    let platform = app.invocation();
    for query in 0..4 {
        assert_eq!(platform.sql.query(Statement::new("SELECT 1")).await.is_ok(), query < 3);
    }
    for call in 0..3 {
        assert_eq!(platform.kv.get("x").await.is_ok(), call < 2);
    }
    assert!(app.invocation().sql.query(Statement::new("SELECT 1")).await.is_ok(), "the next one begins anew");
}

#[tokio::test(start_paused = true)]
async fn work_after_the_response_is_cut_after_30_seconds_and_not_dropped() {
    struct Tell(Rc<Cell<bool>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    for (seconds, finishes) in [(29, true), (31, false)] {
        let (later, dropped) = (Later::default(), Rc::new(Cell::new(false)));
        let tell = Tell(dropped.clone());
        let work = async move {
            let _tell = tell;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        };
        later.spawn(work.boxed_local());
        later.settle().await;
        assert_eq!(dropped.get(), finishes, "{seconds} s");
    }
}

/// Entries of the cache may be lost at any time, so a cache that fails is one that has none.
#[tokio::test]
async fn a_failing_cache_is_a_miss() {
    struct Names;
    impl kernel::kv::Family for Names {
        const PREFIX: &'static str = "names:";
        type Key = u32;
        type Value = String;
    }
    let app = App::new(Vec::new(), &[]);
    let ttl = Duration::from_mins(1);
    kernel::kv::put::<Names>(&app.platform, &1, &"one".to_owned(), ttl).await;
    assert_eq!(kernel::kv::get::<Names>(&app.platform, &1).await.as_deref(), Some("one"));
    app.kv.fail();
    assert_eq!(kernel::kv::get::<Names>(&app.platform, &1).await, None);
    kernel::kv::put::<Names>(&app.platform, &2, &"two".to_owned(), ttl).await;
}
