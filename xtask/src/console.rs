//! What the user sees while a verb runs: step headers, elapsed times, notes.
//!
//! Steps that run side by side would mix their lines. Each of them has a thread of its own, whose output is kept by
//! [`keeping`] and printed as a whole when the step ends.

use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    /// What this thread has printed inside [`keeping`]; `None` outside.
    static KEPT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Prints a line, or keeps it for later when this thread runs inside [`keeping`].
pub(crate) fn line(text: impl AsRef<str>) {
    let text = text.as_ref();
    let is_kept = KEPT.with_borrow_mut(|kept| {
        let Some(kept) = kept else { return false };
        kept.push_str(text);
        kept.push('\n');
        true
    });
    if !is_kept {
        println!("{text}");
    }
}

/// Runs `work` and returns what this thread printed meanwhile.
pub(crate) fn keeping<T>(work: impl FnOnce() -> T) -> (T, String) {
    KEPT.set(Some(String::new()));
    let result = work();
    (result, KEPT.take().unwrap_or_default())
}

/// Whether this thread runs inside [`keeping`].
pub(crate) fn is_keeping() -> bool {
    KEPT.with_borrow(Option::is_some)
}

/// Announces a step; says on [`Step::done`] how long it took.
pub(crate) struct Step {
    title: String,
    started: Instant,
}

/// Announces a step and begins it.
pub(crate) fn step(title: impl Into<String>) -> Step {
    let title = title.into();
    line(format!("\n==> {title}"));
    Step { title, started: Instant::now() }
}

impl Step {
    /// Ends the step and returns its title and duration.
    pub(crate) fn done(self) -> (String, Duration) {
        let elapsed = self.started.elapsed();
        line(format!("    done in {}", seconds(elapsed)));
        (self.title, elapsed)
    }
}

/// Prints a line below the current step.
pub(crate) fn note(text: impl AsRef<str>) {
    line(format!("    {}", text.as_ref()));
}

/// A duration in words, such as `2 min 5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_keeps_prints_nothing() {
        assert!(!is_keeping());
        let ((), kept) = keeping(|| {
            assert!(is_keeping());
            line("one");
            note("two");
        });
        assert_eq!(kept, "one\n    two\n");
        assert!(!is_keeping());
    }

    #[test]
    fn durations_read_naturally() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
