//! What a run ends with: its slowest steps and tests, and the time that it took.

use std::cmp::Reverse;
use std::time::Duration;

use crate::console::{self, seconds};

/// How many of each are named.
const NAMED: usize = 10;

/// Prints it.
pub(crate) fn print(steps: Vec<(String, Duration)>, tests: Vec<(String, Duration)>, whole: Duration) {
    let (step_count, test_count) = (steps.len(), tests.len());
    list("steps", steps);
    list("tests", tests);
    console::line(format!("\n==> passed: {step_count} steps, {test_count} tests in {}", seconds(whole)));
}

fn list(what: &str, times: Vec<(String, Duration)>) {
    if times.is_empty() {
        return;
    }
    console::line(format!("\n==> the slowest {what}"));
    for (name, time) in slowest(times) {
        console::line(format!("    {:>12}  {name}", seconds(time)));
    }
}

fn slowest(mut times: Vec<(String, Duration)>) -> Vec<(String, Duration)> {
    times.sort_by_key(|(_, time)| Reverse(*time));
    times.truncate(NAMED);
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_named_the_slowest_first() {
        let times = (0..20_u64).map(|number| (number.to_string(), Duration::from_secs(number)));
        let named = slowest(times.collect());
        assert_eq!(named.len(), 10);
        assert_eq!(named.first().unwrap().0, "19");
        assert_eq!(named.last().unwrap().0, "10");
    }
}
