//! Checks of clock, randomness and background work.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kernel::ports::Ports;

use super::{Outcome, Suite, same, text};

pub(super) async fn run(platform: &Ports, suite: &mut Suite) {
    suite.check("clock: a sleep lasts as long as requested", sleep(platform)).await;
    suite.check("clock: the time is this century's", std::future::ready(century(platform))).await;
    suite.check("random: no two draws are alike", std::future::ready(random(platform))).await;
    suite.check("background: work runs without being awaited", background(platform)).await;
    suite.check("background: work to be finished outlives its caller", finish(platform)).await;
}

async fn sleep(platform: &Ports) -> Outcome {
    let start = platform.now();
    platform.clock.sleep(Duration::from_millis(60)).await;
    let slept = platform.now().since(start);
    if slept >= Duration::from_millis(55) { Ok(()) } else { Err(format!("{slept:?}")) }
}

fn century(platform: &Ports) -> Outcome {
    let now = platform.now().to_rfc3339();
    if now.starts_with("20") && now.ends_with('Z') { Ok(()) } else { Err(now) }
}

fn random(platform: &Ports) -> Outcome {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        if !seen.insert(platform.random::<16>().map_err(text)?) {
            return Err("repeated".to_owned());
        }
    }
    // 16 000 bytes: each value is missing with a probability below 10^-27.
    let values: std::collections::HashSet<u8> = seen.iter().flatten().copied().collect();
    same(values.len(), 256)
}

async fn finish(platform: &Ports) -> Outcome {
    let done = Rc::new(Cell::new(false));
    let (flag, clock) = (Rc::clone(&done), Rc::clone(&platform.clock));
    let work = async move {
        clock.sleep(Duration::from_millis(20)).await;
        flag.set(true);
        7
    };
    let mut caller = platform.finish(work).boxed_local();
    // The caller begins the work and is then polled no more.
    same(futures_util::poll!(&mut caller).is_pending(), true)?;
    std::mem::forget(caller);
    until(platform, &done).await?;
    same(platform.finish(std::future::ready(7)).await.map_err(text)?, 7)
}

async fn background(platform: &Ports) -> Outcome {
    let done = Rc::new(Cell::new(false));
    let (flag, clock) = (Rc::clone(&done), Rc::clone(&platform.clock));
    let work = async move {
        clock.sleep(Duration::from_millis(1)).await;
        flag.set(true);
    };
    platform.background.spawn(work.boxed_local());
    same(done.get(), false)?;
    until(platform, &done).await
}

async fn until(platform: &Ports, done: &Cell<bool>) -> Outcome {
    for _ in 0..100 {
        platform.clock.sleep(Duration::from_millis(10)).await;
        if done.get() {
            return Ok(());
        }
    }
    Err("the work did not run within a second".to_owned())
}
