//! Steps that run side by side: each starts when those that it needs are done and one of few places is free, and its
//! output is printed as a whole when it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Scope, scope};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};

use crate::console::{self, seconds};

/// How often a line says which steps still run.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A step of a [`Plan`], for those that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(usize);

/// Steps and what they need. Of two that could start, the one that was added first does.
#[derive(Default)]
pub(crate) struct Plan<'a> {
    steps: Vec<Step<'a>>,
}

struct Step<'a> {
    title: String,
    needs: Vec<Id>,
    state: State<'a>,
}

enum State<'a> {
    Waiting(Work<'a>),
    Running(Instant),
    Done(Duration),
}

type Work<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// How a step ended, and what it printed.
struct End {
    id: Id,
    result: Result<()>,
    output: String,
}

impl<'a> Plan<'a> {
    /// Adds a step that starts after those in `needs`.
    pub(crate) fn add(
        &mut self,
        title: impl Into<String>,
        needs: &[Id],
        work: impl FnOnce() -> Result<()> + Send + 'a,
    ) -> Id {
        let state = State::Waiting(Box::new(work));
        self.steps.push(Step { title: title.into(), needs: needs.to_vec(), state });
        Id(self.steps.len() - 1)
    }

    /// Runs all steps, `places` at once, and returns how long each took. After a failure, those that run may end, so
    /// that nothing is left half done, but no further ones start.
    pub(crate) fn run(mut self, places: usize) -> Result<Vec<(String, Duration)>> {
        let failure = scope(|scope| self.carry_out(places, scope));
        failure.map_or(Ok(()), Err)?;
        self.times()
    }

    /// Returns the first failure.
    fn carry_out<'scope>(&mut self, places: usize, scope: &'scope Scope<'scope, '_>) -> Option<Error>
    where
        'a: 'scope,
    {
        let started = Instant::now();
        let (sender, ends) = channel();
        let mut failure = None;
        loop {
            if failure.is_none() {
                self.start(places, scope, &sender);
            }
            if self.running().is_empty() {
                return failure;
            }
            match ends.recv_timeout(HEARTBEAT) {
                Ok(end) => {
                    let result = self.end(end);
                    failure = failure.or(result.err());
                }
                Err(_) => self.heartbeat(started),
            }
        }
    }

    fn start<'scope>(&mut self, places: usize, scope: &'scope Scope<'scope, '_>, sender: &Sender<End>)
    where
        'a: 'scope,
    {
        let mut free = places.saturating_sub(self.running().len());
        for index in 0..self.steps.len() {
            if free == 0 {
                return;
            }
            if let Some(work) = self.take(index) {
                free -= 1;
                let sender = sender.clone();
                scope.spawn(move || {
                    let (result, output) = console::keeping(|| {
                        // A step that panicked must not be waited for.
                        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| bail!("the step panicked"))
                    });
                    // The receiver is gone only when the plan has been given up.
                    let _ = sender.send(End { id: Id(index), result, output });
                });
            }
        }
    }

    /// The work of a step that can start, which from now on counts as running.
    fn take(&mut self, index: usize) -> Option<Work<'a>> {
        let is_done = |id: &Id| matches!(self.steps.get(id.0), Some(Step { state: State::Done(_), .. }));
        if !self.steps.get(index)?.needs.iter().all(is_done) {
            return None;
        }
        let step = self.steps.get_mut(index)?;
        if !matches!(step.state, State::Waiting(_)) {
            return None;
        }
        console::line(format!("--> {}", step.title));
        match std::mem::replace(&mut step.state, State::Running(Instant::now())) {
            State::Waiting(work) => Some(work),
            State::Running(_) | State::Done(_) => None,
        }
    }

    fn end(&mut self, end: End) -> Result<()> {
        let Some(step) = self.steps.get_mut(end.id.0) else { return Ok(()) };
        let State::Running(started) = step.state else { return Ok(()) };
        let time = started.elapsed();
        step.state = State::Done(time);
        console::line(format!("\n==> {}", step.title));
        if !end.output.trim().is_empty() {
            console::line(end.output.trim_matches('\n'));
        }
        let verb = if end.result.is_ok() { "done in" } else { "FAILED after" };
        console::line(format!("    {verb} {}\n", seconds(time)));
        let running = self.running();
        if end.result.is_err() && !running.is_empty() {
            console::line(format!("    waiting for what still runs: {}", running.join(", ")));
        }
        end.result
    }

    /// The titles of the steps that run, each with its time.
    fn running(&self) -> Vec<String> {
        let running = |step: &Step<'_>| match step.state {
            State::Running(started) => Some(format!("{} ({})", step.title, seconds(started.elapsed()))),
            State::Waiting(_) | State::Done(_) => None,
        };
        self.steps.iter().filter_map(running).collect()
    }

    fn heartbeat(&self, started: Instant) {
        console::note(format!("… {}: {}", seconds(started.elapsed()), self.running().join(", ")));
    }

    fn times(self) -> Result<Vec<(String, Duration)>> {
        let time = |step: Step<'a>| match step.state {
            State::Done(time) => Ok((step.title, time)),
            State::Waiting(_) | State::Running(_) => bail!("{} did not run", step.title),
        };
        self.steps.into_iter().map(time).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_step_starts_after_those_that_it_needs() {
        let order = Mutex::new(Vec::new());
        let mut plan = Plan::default();
        let note = |name: &'static str| {
            let order = &order;
            move || {
                order.lock().unwrap().push(name);
                Ok(())
            }
        };
        let first = plan.add("first", &[], note("first"));
        let second = plan.add("second", &[first], note("second"));
        plan.add("third", &[first, second], note("third"));
        let times = plan.run(3).unwrap();
        assert_eq!(*order.lock().unwrap(), ["first", "second", "third"]);
        assert_eq!(times.iter().map(|(title, _)| title).collect::<Vec<_>>(), ["first", "second", "third"]);
    }

    #[test]
    fn as_many_run_at_once_as_there_are_places() {
        let [running, most] = [(); 2].map(|()| AtomicUsize::new(0));
        let both = std::sync::Barrier::new(2);
        let mut plan = Plan::default();
        for title in ["a", "b", "c", "d"] {
            plan.add(title, &[], || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                both.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            });
        }
        plan.run(2).unwrap();
        assert_eq!(most.into_inner(), 2);
    }

    #[test]
    fn after_a_failure_nothing_starts() {
        let started = AtomicUsize::new(0);
        let mut plan = Plan::default();
        let fails = plan.add("fails", &[], || bail!("broken"));
        plan.add("never", &[fails], || {
            started.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        assert_eq!(plan.run(2).unwrap_err().to_string(), "broken");
        assert_eq!(started.into_inner(), 0);
    }

    #[test]
    fn a_panic_is_a_failure() {
        let mut plan = Plan::default();
        plan.add("panics", &[], || panic!("on purpose"));
        assert!(plan.run(2).unwrap_err().to_string().contains("panicked"));
    }
}
