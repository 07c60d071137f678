//! Putting load on one target: some connections, each sending its next request when the last was answered.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::task::LocalSet;

use crate::{
    http_client::{Answer, Connection},
    processes::cpu_time,
};

/// What load can be put on. A connection's requests are counted by `turn`, from 0 in each burst.
pub(crate) trait Subject {
    /// `host:port`.
    fn authority(&self) -> &str;
    /// The process that answers, for its processor time.
    fn pid(&self) -> Option<u64>;
    /// Whether a connection sends the same request again and again.
    fn repeats(&self) -> bool;
    /// What a connection sends.
    fn request(&self, connection: usize, turn: u64) -> Result<Request<Bytes>>;
    /// Whether an answer to it is right.
    fn check(&self, connection: usize, turn: u64, answer: &Answer) -> Result<()>;
}

/// What came of one burst of load.
#[derive(Default)]
pub(crate) struct Burst {
    /// One latency per right answer, in nanoseconds.
    latencies: Vec<u64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    elapsed: Duration,
    cpu: Option<f64>,
}

impl Burst {
    /// Right answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn count(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// Processor time of the answering process per right answer, in microseconds.
    pub(crate) fn cpu(&self) -> Option<f64> {
        Some(self.cpu? / self.latencies.len() as f64)
    }

    /// A quantile of the latencies, in microseconds.
    pub(crate) fn quantile(&mut self, quantile: f64) -> f64 {
        let Some(last) = self.latencies.len().checked_sub(1) else {
            return f64::NAN;
        };
        let rank = (last as f64 * quantile).round() as usize;
        let (_, value, _) = self.latencies.select_nth_unstable(rank.min(last));
        *value as f64 / 1000.0
    }
}

/// Loads a target with so many connections for so long.
pub(crate) async fn burst<S: Subject + 'static>(
    target: &Rc<S>,
    connections: usize,
    length: Duration,
) -> Result<Burst> {
    let total = Rc::new(RefCell::new(Burst::default()));
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(target.authority()).await?);
    }
    let tasks = LocalSet::new();
    let cpu = || target.pid().and_then(cpu_time);
    let cpu_before = cpu();
    let start = Instant::now();
    let deadline = start + length;
    for (number, connection) in open.into_iter().enumerate() {
        let (target, total) = (target.clone(), total.clone());
        tasks.spawn_local(async move {
            let mut own = Burst::default();
            drive(&*target, number, connection, deadline, &mut own).await;
            let mut total = total.borrow_mut();
            total.latencies.append(&mut own.latencies);
            total.errors += own.errors;
            total.first_error = total.first_error.take().or(own.first_error);
        });
    }
    tasks.await;
    let mut total = total.take();
    total.elapsed = start.elapsed();
    total.cpu = cpu().zip(cpu_before).map(|(after, before)| after - before);
    Ok(total)
}

async fn drive(
    target: &impl Subject,
    number: usize,
    mut connection: Connection,
    deadline: Instant,
    burst: &mut Burst,
) {
    let mut request = None;
    // Once an answer has been examined, equal ones need only be compared.
    let mut known: Option<Bytes> = None;
    for turn in 0.. {
        let next = match request.take().filter(|_| target.repeats()) {
            Some(request) => request,
            None => match target.request(number, turn) {
                Ok(request) => request,
                Err(error) => return burst.fail(format!("{error:#}")),
            },
        };
        let start = Instant::now();
        if start >= deadline {
            return;
        }
        let answer = connection.send(next.clone().map(Full::new)).await;
        let latency = start.elapsed();
        request = Some(next);
        match answer.and_then(|answer| check(target, number, turn, answer, &mut known)) {
            Ok(()) => burst.latencies.push(latency.as_nanos() as u64),
            Err(error) => {
                burst.fail(format!("{error:#}"));
                match Connection::open(target.authority()).await {
                    Ok(again) => connection = again,
                    Err(_) => return,
                }
            }
        }
    }
}

fn check(
    target: &impl Subject,
    number: usize,
    turn: u64,
    answer: Answer,
    known: &mut Option<Bytes>,
) -> Result<()> {
    if answer.status == http::StatusCode::OK && known.as_ref() == Some(&answer.body) {
        return Ok(());
    }
    target.check(number, turn, &answer)?;
    *known = Some(answer.body).filter(|_| target.repeats());
    Ok(())
}

impl Burst {
    /// Takes over what went wrong in another burst.
    pub(crate) fn add_errors(&mut self, other: Self) {
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// Counts a wrong answer.
    pub(crate) fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}
