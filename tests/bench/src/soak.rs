//! The soak: Postern on workerd for a long time at half of its maximum rate, with agents that leave at random, an upstream
//! that fails in turns, and keys that are made and revoked. At the end the memory must be flat, no audit row may be missing
//! against what the agents saw, and no answer may have been wrong.
//!
//! What each group of agents calls tells its audit rows apart: the steady ones `modern__echo`, those that leave
//! `catalogue__echo`, those of the failing upstream `broken__echo`, and those whose keys are revoked `legacy__echo`.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::args::Args;
use crate::http_client::{Answer, Connection};
use crate::load::{self, Subject as _};
use crate::postern::{self as gateway, Admin, Secrets};
use crate::processes::Process;
use crate::target::{Era, Target};

/// Connections of the steady agents.
const CONNECTIONS: usize = 8;
/// How long a maximum is measured.
const CALIBRATION: Duration = Duration::from_secs(10);
/// The pause between two samples of the memory, and between two states of the failing upstream.
const SAMPLE: Duration = Duration::from_secs(5);
/// The memory of the last quarter may exceed that of the second by so much, in parts and in bytes.
const GROWTH: (f64, u64) = (0.10, 16 * 1024 * 1024);
/// In what the failing upstream's URL ends, one after the other.
const FAILURES: [&str; 4] = ["/status/503", "/bad-json", "/html", "/status/401"];
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of the run.
#[derive(Default)]
struct Seen {
    /// Whole answers to `modern__echo`, `broken__echo` and `legacy__echo`, for each of which there is an audit row.
    steady: u64,
    failing: u64,
    keyed: u64,
    /// Calls of `catalogue__echo` that were sent; a row each if Postern got to them.
    left: u64,
    /// Answers to those that came before the agent left.
    left_answered: u64,
    revoked: u64,
    wrong: u64,
    first_wrong: Option<String>,
    memory: Vec<u64>,
}

impl Seen {
    fn wrong(&mut self, what: impl std::fmt::Display) {
        self.wrong += 1;
        self.first_wrong.get_or_insert_with(|| what.to_string());
    }
}

type Shared = Rc<RefCell<Seen>>;

/// Runs for `length`. Returns a summary; the error says what did not hold.
pub(crate) async fn run(args: &Args, length: Duration) -> Result<String> {
    let (upstream, secrets, folder) = (Process::upstream().await?, Secrets::new()?, tempfile::tempdir()?);
    let mut postern = gateway::start(args, &secrets, folder.path(), true).await.context("Postern")?;
    gateway::set_up(&mut postern, &secrets, upstream.url()?).await?;
    let mut admin = Admin::of(&postern, &secrets).await?;
    admin.register_broken(upstream.url()?).await?;
    // The calibration lasts longer than Postern takes to see it.
    fail(&mut postern, upstream.url()?, 0).await?;
    let steady = Rc::new(target(&postern, "modern__echo", &secrets.agent.text)?);
    let maximum = load::burst(&steady, CONNECTIONS, CALIBRATION).await?;
    ensure!(maximum.errors == 0, "wrong before the soak: {:?}", maximum.first_error);
    let rate = maximum.rate() / 2.0;
    println!("maximum {:.0} calls/s; soaking at {rate:.0} calls/s for {length:?}", maximum.rate());

    let seen = Shared::default();
    seen.borrow_mut().steady = maximum.count();
    let end = Instant::now() + length;
    let tasks = LocalSet::new();
    for number in 0..CONNECTIONS {
        let pause = Duration::from_secs_f64(CONNECTIONS as f64 / rate);
        tasks.spawn_local(steady_agent(steady.clone(), number, pause, end, seen.clone()));
    }
    let leaving = Rc::new(target(&postern, "catalogue__echo", &secrets.agent.text)?);
    for number in 0..2 {
        tasks.spawn_local(leaving_agent(leaving.clone(), number, end, seen.clone()));
    }
    let failing = target(&postern, "broken__echo", &secrets.agent.text)?;
    tasks.spawn_local(failing_agent(failing, end, seen.clone()));
    let url = upstream.url()?.to_owned();
    tasks.run_until(administrator(&mut postern, &mut admin, &url, end, &seen)).await?;
    tasks.await;
    let seen = seen.take();
    let report = verdict(&mut postern, &seen).await;
    postern.stop().await?;
    report
}

fn target(postern: &Process, tool: &str, key: &str) -> Result<Target> {
    Target::echo("soak", postern, "/mcp", Era::Modern, tool)?
        .header("authorization", &format!("Bearer {key}"))
}

/// Calls at a fixed pace and checks each answer.
async fn steady_agent(target: Rc<Target>, number: usize, pause: Duration, end: Instant, seen: Shared) {
    let mut connection = None;
    let mut next = Instant::now();
    for turn in 0.. {
        next += pause;
        sleep_until(next.into()).await;
        if Instant::now() >= end {
            return;
        }
        match call(&target, number, turn, &mut connection).await {
            Ok(answer) => match target.check(number, turn, &answer) {
                Ok(()) => seen.borrow_mut().steady += 1,
                Err(error) => seen.borrow_mut().wrong(format!("{error:#}")),
            },
            Err(error) => seen.borrow_mut().wrong(format!("steady: {error:#}")),
        }
    }
}

/// Sends one request and waits for the answer, over the connection that is open or over a new one.
async fn call(target: &Target, number: usize, turn: u64, open: &mut Option<Connection>) -> Result<Answer> {
    let mut connection = match open.take() {
        Some(connection) => connection,
        None => Connection::open(target.authority()).await?,
    };
    let request = target.request(number, turn)?.map(Full::new);
    let answer = timeout(PATIENCE, connection.send(request)).await.context("no answer")??;
    *open = Some(connection);
    Ok(answer)
}

/// Calls, and leaves after a random time of up to 8 ms, whether the answer has come or not.
async fn leaving_agent(target: Rc<Target>, number: usize, end: Instant, seen: Shared) {
    for turn in 0.. {
        if Instant::now() >= end {
            return;
        }
        let mut connection = None;
        let leave = Duration::from_micros(random() % 8000);
        seen.borrow_mut().left += 1;
        match timeout(leave, call(&target, number, turn, &mut connection)).await {
            Err(_) => {}
            Ok(Ok(answer)) => match target.check(number, turn, &answer) {
                Ok(()) => seen.borrow_mut().left_answered += 1,
                Err(error) => seen.borrow_mut().wrong(format!("{error:#}")),
            },
            Ok(Err(error)) => seen.borrow_mut().wrong(format!("leaving: {error:#}")),
        }
        sleep(Duration::from_millis(20 + random() % 60)).await;
    }
}

/// Calls the upstream that fails. Every answer must say so, as a result with `isError` or as a JSON-RPC error.
async fn failing_agent(target: Target, end: Instant, seen: Shared) {
    let mut connection = None;
    for turn in 0.. {
        if Instant::now() >= end {
            return;
        }
        match call(&target, 0, turn, &mut connection).await {
            Ok(answer) => {
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let says_so =
                    body.pointer("/result/isError") == Some(&json!(true)) || body.get("error").is_some();
                let mut seen = seen.borrow_mut();
                seen.failing += 1;
                if !says_so {
                    seen.wrong(format!("failing: {}", String::from_utf8_lossy(&answer.body)));
                }
            }
            Err(error) => seen.borrow_mut().wrong(format!("failing: {error:#}")),
        }
        sleep(Duration::from_millis(40)).await;
    }
}

/// Changes how the upstream fails. By SQL, since the API would ask the upstream; Postern sees the change within 5 s.
async fn fail(postern: &mut Process, upstream: &str, round: usize) -> Result<()> {
    let failure = FAILURES.get(round % FAILURES.len()).copied().unwrap_or_default();
    let url = json!(format!("{upstream}{failure}"));
    postern.sql("UPDATE integrations SET url = ?1 WHERE slug = 'broken'", &[url]).await.map(drop)
}

/// Samples the memory, changes how the upstream fails, and makes, uses and deletes a key, again and again.
async fn administrator(
    postern: &mut Process,
    admin: &mut Admin,
    upstream: &str,
    end: Instant,
    seen: &Shared,
) -> Result<()> {
    for round in 0_usize.. {
        let next = Instant::now() + SAMPLE;
        if next >= end {
            return Ok(());
        }
        fail(postern, upstream, round).await?;
        seen.borrow_mut().memory.extend(postern.rss());
        let name = format!("soak-{round}");
        let target = target(postern, "legacy__echo", &admin.create_key(&name).await?)?;
        let mut connection = None;
        let answer = call(&target, 0, 0, &mut connection).await?;
        match target.check(0, 0, &answer) {
            Ok(()) => seen.borrow_mut().keyed += 1,
            Err(error) => seen.borrow_mut().wrong(format!("a new key: {error:#}")),
        }
        admin.delete_key(&name).await?;
        // workerd runs one instance of the Worker, and the one that deletes a key refuses the key at once.
        let answer = call(&target, 0, 1, &mut connection).await?;
        if answer.status == http::StatusCode::UNAUTHORIZED {
            seen.borrow_mut().revoked += 1;
        } else {
            seen.borrow_mut().wrong(format!("a deleted key: {}", answer.status));
        }
        sleep_until(next.into()).await;
    }
    Ok(())
}

/// Compares what the agents saw with the audit rows and the memory.
async fn verdict(postern: &mut Process, seen: &Seen) -> Result<String> {
    let wanted =
        [("modern__echo", seen.steady), ("broken__echo", seen.failing), ("legacy__echo", seen.keyed)];
    let mut text = String::new();
    let mut missing = 0;
    for (tool, answered) in wanted {
        let rows = settled_rows(postern, tool, answered).await?;
        missing += answered.abs_diff(rows);
        let _ = writeln!(text, "{tool}: {answered} answered, {rows} audit rows");
    }
    let rows = settled_rows(postern, "catalogue__echo", seen.left_answered).await?;
    missing += seen.left_answered.saturating_sub(rows) + rows.saturating_sub(seen.left);
    let _ = writeln!(
        text,
        "catalogue__echo: {} sent, {} answered before the agent left, {rows} audit rows",
        seen.left, seen.left_answered
    );
    let (before, after) = quarters(&seen.memory);
    let limit = before + GROWTH.1.max((before as f64 * GROWTH.0) as u64);
    let mebibytes = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let _ = writeln!(
        text,
        "{} keys revoked; memory {:.1} MiB in the second quarter, {:.1} MiB in the last ({} samples)\n\
         {missing} audit rows missing, {} wrong answers",
        seen.revoked,
        mebibytes(before),
        mebibytes(after),
        seen.memory.len(),
        seen.wrong
    );
    print!("{text}");
    ensure!(seen.memory.len() >= 8 && seen.revoked > 0, "too short a soak to tell");
    ensure!(seen.wrong == 0, "{} wrong answers, the first: {:?}", seen.wrong, seen.first_wrong);
    ensure!(missing == 0, "{missing} audit rows are missing, or there are too many");
    ensure!(after <= limit, "the memory grew from {:.1} to {:.1} MiB", mebibytes(before), mebibytes(after));
    Ok(text)
}

/// The number of audit rows for a tool, once there are as many as wanted or no more come.
async fn settled_rows(postern: &mut Process, tool: &str, wanted: u64) -> Result<u64> {
    let sql = "SELECT count(*) AS n FROM audit_events WHERE tool_name = ?1";
    let mut rows = 0;
    for _ in 0..20 {
        let found = postern.sql(sql, &[json!(tool)]).await?;
        let now = found.first().and_then(|row| row.get("n")).and_then(Value::as_u64).unwrap_or_default();
        if now >= wanted && now == rows {
            break;
        }
        rows = now;
        sleep(Duration::from_millis(500)).await;
    }
    Ok(rows)
}

/// The medians of the second and of the last quarter: the first one is warming up.
fn quarters(samples: &[u64]) -> (u64, u64) {
    let quarter = samples.len() / 4;
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied().unwrap_or_default()
    };
    let part = |from: usize, to: usize| samples.get(from..to).map_or(0, median);
    (part(quarter, 2 * quarter), part(samples.len() - quarter, samples.len()))
}

/// A random number; without randomness the agents all behave alike, which is no error.
fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
