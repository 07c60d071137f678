//! Output for the user while a verb runs: step headers, elapsed times, notes.

use std::time::{Duration, Instant};

/// An announced step of a verb; [`Step::done`] prints how long the step took.
pub(crate) struct Step {
    title: String,
    started: Instant,
}

/// Announces a step and begins it.
pub(crate) fn step(title: impl Into<String>) -> Step {
    let title = title.into();
    println!("\n==> {title}");
    Step { title, started: Instant::now() }
}

impl Step {
    /// Ends the step and returns its title and duration.
    pub(crate) fn done(self) -> (String, Duration) {
        let elapsed = self.started.elapsed();
        println!("    done in {}", seconds(elapsed));
        (self.title, elapsed)
    }
}

/// Prints a line below the current step.
pub(crate) fn note(text: impl AsRef<str>) {
    println!("    {}", text.as_ref());
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
    fn durations_read_naturally() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
